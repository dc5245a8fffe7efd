#include "runtime/jobfile/section_reader.h"

#include <algorithm>
#include <fstream>
#include <sstream>

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include "proto/job.pb.h"

namespace millrace::jobfile {
namespace {

std::string read_file(const std::string& path) {
    std::ifstream in(path);
    std::ostringstream text;
    text << in.rdbuf();
    return text.str();
}

TEST_CASE("the CTR job binds without a complaint", "[jobfile][section_reader]") {
    config::SourceTexts sources;
    const auto file =
        sources.add("ctr.yaml", read_file(std::string(MILLRACE_SOURCE_DIR) + "/jobs/ctr.yaml"));
    const config::YamlDocument document = config::read_yaml(sources.text(file), file);
    REQUIRE(document.root.has_value());
    proto::Job job;
    Places places;
    const auto diagnostics = read_sections(*document.root, job, places);
    INFO(config::report(diagnostics, sources, config::ReportForm::kText));
    REQUIRE(diagnostics.empty());
    REQUIRE(job.schemas(0).fields_size() == 23);
    REQUIRE(job.models(0).learner().ftrl().alpha() == 0.2);
    REQUIRE(job.steps(2).evaluate().window_rows() == 10000);
}

TEST_CASE("a wrong key is looked for in the sections among 200 beside it",
          "[jobfile][section_reader]") {
    const auto fix_of_last = [](int between) {
        std::string text = "version: 1\n";
        for (int i = 0; i < between; ++i) text += fmt::format("wrong_{}: 1\n", i);
        // `parallelism` belongs inside `runtime`.
        const config::YamlDocument document =
            config::read_yaml(text + "runtime: { delivery: at_least_once }\nparallelism: 2\n", 0);
        REQUIRE(document.root.has_value());
        proto::Job job;
        Places places;
        const auto diagnostics = read_sections(*document.root, job, places);
        const auto found = std::ranges::find(diagnostics, "parallelism", &config::Diagnostic::path);
        REQUIRE(found != diagnostics.end());
        return found->fix;
    };
    REQUIRE_THAT(fix_of_last(198), Catch::Contains("belongs inside `runtime`"));
    REQUIRE_THAT(fix_of_last(199), !Catch::Contains("belongs inside"));
}

}  // namespace
}  // namespace millrace::jobfile
