#include "runtime/jobfile/section_reader.h"

#include <fstream>
#include <sstream>

#include <catch2/catch.hpp>

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

}  // namespace
}  // namespace millrace::jobfile
