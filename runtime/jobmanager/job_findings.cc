#include "runtime/jobmanager/job_findings.h"

#include <string>

namespace millrace::jobmanager {
namespace {

// Says all that is missing in one error, a line each.
class Missing {
  public:
    // True when `error` says that something is missing; other causes end the search.
    bool take(const Error& error) {
        if (error.code != Code::kNotFound) return false;
        text_ += (text_.empty() ? "" : "\n  ") + error.message;
        return true;
    }
    [[nodiscard]] Status status() const {
        if (text_.empty()) return {};
        return std::unexpected(Error{Code::kNotFound, text_});
    }

  private:
    std::string text_;
};

}  // namespace

Result<JobFindings> look_around(SplitDirectory& directory, const proto::Job& job) {
    JobFindings findings;
    Missing missing;
    MILLRACE_TRY_ASSIGN(findings.kafka, directory.connections(job));
    for (int i = 0; i < job.sources_size(); ++i) {
        auto splits = directory.resolve(job, i);
        if (splits)
            findings.splits.emplace_back(i, *std::move(splits));
        else if (!missing.take(splits.error()))
            return std::unexpected(std::move(splits).error());
    }
    for (int i = 0; i < job.sinks_size(); ++i) {
        Status checked = directory.check_sink(job, i);
        if (!checked && !missing.take(checked.error()))
            return std::unexpected(std::move(checked).error());
    }
    MILLRACE_TRY(missing.status());
    return findings;
}

}  // namespace millrace::jobmanager
