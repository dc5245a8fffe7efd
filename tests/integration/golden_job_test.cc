// Small jobs over small files, with results worked out by hand: tests/golden/jobs.

#include <filesystem>
#include <set>
#include <sstream>
#include <string>

#include <catch2/catch.hpp>

#include "tests/support/process.h"
#include "tests/support/temp_dir.h"

namespace millrace::integration {
namespace {

// Inputs of a union come in any order.
std::multiset<std::string> lines_of(const std::filesystem::path& file) {
    std::multiset<std::string> lines;
    std::istringstream text(support::read_file(file));
    for (std::string line; std::getline(text, line);) lines.insert(line);
    return lines;
}

// NAME.yaml reads NAME.csv, named by $IN, and writes what NAME.out holds to $OUT.
TEST_CASE("jobs without models give the results worked out by hand", "[integration]") {
    const std::string name = GENERATE("filter_compute", "union");
    CAPTURE(name);
    const auto golden = std::filesystem::path(MILLRACE_SOURCE_DIR) / "tests" / "golden" / "jobs";
    const support::TempDir folder;
    const std::string output = (folder / "out").string();
    const auto finished = support::run(
        {.argv = {MILLRACE_BINARY, "run", (golden / (name + ".yaml")).string()},
         .environment = {{"IN", (golden / (name + ".csv")).string()}, {"OUT", output}}});
    REQUIRE(finished);
    CAPTURE(finished->errors);
    REQUIRE(finished->exit_code == 0);
    REQUIRE(lines_of(output) == lines_of(golden / (name + ".out")));
}

}  // namespace
}  // namespace millrace::integration
