// Any bytes as a job file: no crash, no endless work; a job that is accepted can be printed, and
// what was printed means the same.

#include <cstdint>
#include <string>

#include <google/protobuf/util/message_differencer.h>

#include "proto/job.pb.h"
#include "runtime/base/check.h"
#include "runtime/jobfile/render.h"
#include "runtime/jobfile/submitted.h"
#include "runtime/jobfile/validate.h"

namespace {

using namespace millrace;

std::optional<std::string> lookup(std::string_view name) {
    return name.size() % 2 == 0 ? std::optional<std::string>(name) : std::nullopt;
}

jobfile::Validation validate(const std::string& text, const config::VariableLookup& variables) {
    return jobfile::validate({{"fuzz.yaml", text}}, {.variables = variables});
}

void check_printed(const jobfile::Validation& first) {
    const std::string text = jobfile::render(*first.job, first.places);
    if (text.find("<hidden>") != std::string::npos) {
        return;
    }
    const jobfile::Validation second = validate(text, lookup);
    MILLRACE_CHECK(second.job != nullptr);
    MILLRACE_CHECK(google::protobuf::util::MessageDifferencer::Equals(*first.job, *second.job));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string text(reinterpret_cast<const char*>(data), size);
    const jobfile::Validation local = validate(text, lookup);
    for (const auto form :
         {config::ReportForm::kText, config::ReportForm::kJson, config::ReportForm::kGithub}) {
        (void)config::report(local.diagnostics, local.sources, form);
    }
    MILLRACE_CHECK((local.job != nullptr) != config::has_errors(local.diagnostics));
    if (local.job) {
        check_printed(local);
        (void)jobfile::check_submitted(*local.job, local.places, {.clusters = {"default"}});
        const jobfile::Validation remote = validate(local.resolved, nullptr);
        if (local.resolved.find("${") == std::string::npos) {
            MILLRACE_CHECK(remote.job != nullptr);
            MILLRACE_CHECK(
                google::protobuf::util::MessageDifferencer::Equals(*local.job, *remote.job));
        }
    }
    return 0;
}
