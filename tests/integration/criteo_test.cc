// jobs/ctr_criteo.yaml on real display ads, as its README tells users to run it.

#include <cstdlib>
#include <filesystem>
#include <sstream>

#include <catch2/catch.hpp>

#include "tests/integration/cluster.h"
#include "tests/integration/records.h"
#include "tests/support/skip.h"
#include "tests/support/temp_dir.h"

namespace millrace::integration {
namespace {

using support::Finished;

constexpr std::int64_t kRows = 40'000;

// $MILLRACE_DATA, else ../shared/data beside the source tree; skips the case where it is absent.
std::string criteo_or_skip() {
    const char* given = std::getenv("MILLRACE_DATA");
    const std::filesystem::path folder =
        given != nullptr ? std::filesystem::path(given)
                         : std::filesystem::path(MILLRACE_SOURCE_DIR) / ".." / "shared" / "data";
    const std::filesystem::path file = folder / "criteo_first40k.tsv.gz";
    if (!std::filesystem::exists(file))
        support::skip("needs " + file.string() + " (or set MILLRACE_DATA)");
    return file.string();
}

std::vector<QualityRecord> run_criteo(const std::vector<std::string>& flags) {
    const std::string input = criteo_or_skip();
    const support::TempDir folder;
    const std::string output = (folder / "quality.jsonl").string();
    std::vector<std::string> argv{MILLRACE_BINARY, "run",
                                  std::string(MILLRACE_SOURCE_DIR) + "/jobs/ctr_criteo.yaml"};
    argv.insert(argv.end(), flags.begin(), flags.end());
    const auto finished = support::run(
        {.argv = argv, .environment = {{"CRITEO_FILE", input}, {"QUALITY_FILE", output}}});
    REQUIRE(finished);
    CAPTURE(finished->errors);
    REQUIRE(finished->exit_code == 0);
    std::vector<QualityRecord> records;
    std::istringstream lines(support::read_file(output));
    for (std::string line; std::getline(lines, line);) records.push_back(read_quality_record(line));
    return records;
}

// The published figures of one pass of FTRL with alpha .1, beta 1, l1 0, l2 1: .457 and .752.
TEST_CASE("one pass over Criteo's first rows reaches the published quality", "[integration]") {
    const auto records = run_criteo({"--set", "steps.quality.window=40000rows"});
    REQUIRE(records.size() == 1);
    CHECK(records[0].rows == kRows);
    CHECK(records[0].logloss <= 0.4575);
    CHECK(records[0].auc >= 0.752);
    // The entropy of the rows' own base rate, and calibration within one percent.
    CHECK(records[0].logloss_baseline == Approx(0.532).margin(0.001));
    CHECK(records[0].calibration == Approx(1).margin(0.01));
}

TEST_CASE("Criteo's quality comes in windows that say the same, and get better", "[integration]") {
    const auto records = run_criteo({});
    REQUIRE(records.size() == 4);
    double sum = 0;
    for (const QualityRecord& record : records) {
        CHECK(record.rows == kRows / 4);
        sum += record.logloss;
    }
    CHECK(sum / 4 <= 0.4575);
    CHECK(records.back().logloss < records.front().logloss);
    CHECK(records.back().rows_total == kRows);
}

}  // namespace
}  // namespace millrace::integration
