#include "runtime/jobmanager/job_findings.h"

#include <string_view>

namespace millrace::jobmanager {
namespace {

std::string_view code_of(Code code) {
    switch (code) {
        case Code::kNotFound:
            return "E110";
        case Code::kPermissionDenied:
            return "E112";
        default:
            return "E111";
    }
}

// Errors end with ". Hint: what to do".
JobProblem problem_of(const Error& error, std::string path) {
    constexpr std::string_view kHint = ". Hint: ";
    JobProblem problem{.code = std::string(code_of(error.code)),
                       .path = std::move(path),
                       .message = error.message,
                       .fix = ""};
    if (const std::size_t at = error.message.rfind(kHint); at != std::string::npos) {
        problem.message = error.message.substr(0, at);
        problem.fix = error.message.substr(at + kHint.size());
    }
    return problem;
}

class Search {
  public:
    // Takes down what the world said about a node; false when there is no use in asking on.
    bool take(const Error& error, std::string_view section, const std::string& node) {
        const bool is_missing = error.code == Code::kNotFound;
        const std::string path = fmt::format("{}.{}", section, node);
        JobProblem problem = problem_of(error, path + (is_missing ? ".topic" : ".cluster"));
        if (!is_missing) refusal_ = {};
        std::string& text = refusal_.cause.message;
        text += fmt::format("{}{}: {}", text.empty() ? "" : "\n  ", node, error.message);
        refusal_.cause.code = error.code;
        refusal_.problems.push_back(std::move(problem));
        return is_missing;
    }
    [[nodiscard]] bool has_problems() const { return !refusal_.problems.empty(); }
    [[nodiscard]] JobRefusal refusal() && { return std::move(refusal_); }

  private:
    JobRefusal refusal_;
};

}  // namespace

std::expected<JobFindings, JobRefusal> look_around(SplitDirectory& directory,
                                                   const proto::Job& job) {
    JobFindings findings;
    Search search;
    auto connections = directory.connections(job);
    if (!connections) return std::unexpected(JobRefusal{std::move(connections).error(), {}});
    findings.kafka = *std::move(connections);
    for (int i = 0; i < job.sources_size(); ++i) {
        auto splits = directory.resolve(job, i);
        if (splits)
            findings.splits.emplace_back(i, *std::move(splits));
        else if (!search.take(splits.error(), "sources", job.sources(i).name()))
            return std::unexpected(std::move(search).refusal());
    }
    for (int i = 0; i < job.sinks_size(); ++i) {
        const Status checked = directory.check_sink(job, i);
        if (!checked && !search.take(checked.error(), "sinks", job.sinks(i).name()))
            return std::unexpected(std::move(search).refusal());
    }
    if (search.has_problems()) return std::unexpected(std::move(search).refusal());
    return findings;
}

}  // namespace millrace::jobmanager
