// Jobs, TaskManagers and models as the JSON of the REST API. The only user of Boost.JSON here.
//
// Threads:    the control loop's; pure.
// Failure:    none.

#pragma once

#include <string>
#include <string_view>

#include "runtime/jobmanager/jobmanager.h"

namespace millrace::web {

// Flink's paths.
[[nodiscard]] std::string config_json(std::string_view version);
[[nodiscard]] std::string overview_json(const jobmanager::JobManager& jobmanager,
                                        std::string_view version);
[[nodiscard]] std::string jobs_json(const jobmanager::JobManager& jobmanager);
[[nodiscard]] std::string jobs_overview_json(const jobmanager::JobManager& jobmanager);
[[nodiscard]] std::string job_json(const jobmanager::JobManager& jobmanager,
                                   const jobmanager::JobEntry& entry);
[[nodiscard]] std::string plan_json(const jobmanager::JobEntry& entry);
[[nodiscard]] std::string exceptions_json(const jobmanager::JobEntry& entry);
[[nodiscard]] std::string taskmanagers_json(const jobmanager::JobManager& jobmanager);

// Ours.
[[nodiscard]] std::string models_json(const jobmanager::JobManager& jobmanager,
                                      std::string_view job);
[[nodiscard]] std::string findings_json(const jobmanager::JobManager& jobmanager,
                                        std::string_view job);
[[nodiscard]] std::string progress_json(const jobmanager::JobManager& jobmanager,
                                        const jobmanager::JobEntry& entry);
[[nodiscard]] std::string taskmanager_memory_json(const jobmanager::TaskManagerEntry& entry);

// The `errors` of a problem document, in the form of a document's diagnostics.
[[nodiscard]] std::string problems_json(const std::vector<jobmanager::JobProblem>& problems);

// Error bodies.
[[nodiscard]] std::string flink_errors_json(std::string_view message);
[[nodiscard]] std::string problem_json(int status, std::string_view title, std::string_view detail,
                                       std::string_view diagnostics_json, std::string_view code);
[[nodiscard]] std::string quoted(std::string_view text);

}  // namespace millrace::web
