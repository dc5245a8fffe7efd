// Decides what happens to one job: when its tasks are deployed, started, cancelled and tried again.
//
// Pure: events come in with the time, actions go out, and nothing here waits, sends or reads a
// clock. The JobManager feeds it and carries its actions out. One attempt at a time: messages of an
// older attempt are ignored. The first failure of an attempt is its cause; what fails afterwards
// follows from it.
//
//   CREATED -> RUNNING -> FINISHED                 every task of every vertex finished
//   CREATED                                        also while there is no room to place the tasks
//   CREATED, RUNNING -> FAILING -> RESTARTING -> CREATED (next attempt), or FAILED: given up
//   any of these -> CANCELLING -> CANCELED         the user asked
//
// Threads:    the control thread.
// Ownership:  owns description, graph and history of its job.
// Limits:     kExceptionsMax failures are remembered.
// Failure:    illegal moves abort.

#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "runtime/base/clock.h"
#include "runtime/base/ids.h"
#include "runtime/base/random.h"
#include "runtime/graph/job_graph.h"
#include "runtime/graph/schedule.h"
#include "runtime/jobmanager/job_state.h"
#include "runtime/jobmanager/restart_policy.h"

namespace millrace::jobmanager {

// A failure, as `describe` and REST show it.
struct JobFailure {
    Attempt attempt{};
    std::int64_t wall_ms = 0;
    Error cause;
    std::string task;         // "learn (3/8)"; empty when no task was at fault.
    std::string taskmanager;  // Empty when none was at fault.
};

// What the JobManager is to do.
struct PlaceAndDeploy {};  // Ask for slots, schedule, send Deploy to each TaskManager.
struct StartTasks {};      // Send Start to each TaskManager of the attempt.
struct CancelTasks {};     // Send Cancel to each TaskManager of the attempt.
struct CloseAttempt {};    // All tasks have ended: free the slots.
struct ReportEnd {};       // The job has come to a final state.
using Action = std::variant<PlaceAndDeploy, StartTasks, CancelTasks, CloseAttempt, ReportEnd>;
using Actions = std::vector<Action>;

class JobMaster {
  public:
    static constexpr std::size_t kExceptionsMax = 16;

    // Starts in CREATED, before attempt 1; call submit() for the first actions.
    JobMaster(JobId id, graph::JobGraph graph, RestartPolicy policy, std::uint64_t seed);

    Actions submit(TimePoint now, std::int64_t wall_ms);
    Actions cancel(TimePoint now, std::int64_t wall_ms);

    // The attempt's tasks were placed; Deploy goes out to these TaskManagers.
    void placed(std::vector<graph::Placement> placements, std::vector<std::string> taskmanagers);
    // There is no room for the attempt now: too few slots, buffers or bytes. It waits, however long
    // that takes; no failure, and no restart.
    void wait_for_room(Attempt attempt, std::string missing);
    // A TaskManager came, or another job gave something back.
    Actions room_changed();
    // Placing or deploying failed for good: an unreachable TaskManager, one that says nonsense.
    Actions deploy_failed(Attempt attempt, Error cause, TimePoint now, std::int64_t wall_ms);
    // A TaskManager could not build its part. Want of buffers or bytes at the first attempt is a
    // refusal: the job has never fitted, so it ends instead of trying again.
    Actions build_failed(Attempt attempt, Error cause, TimePoint now, std::int64_t wall_ms);
    // A TaskManager has built its part.
    Actions deployed(Attempt attempt, const std::string& taskmanager, TimePoint now,
                     std::int64_t wall_ms);
    Actions task_finished(Attempt attempt, std::uint32_t vertex, std::uint32_t subtask,
                          TimePoint now, std::int64_t wall_ms);
    Actions task_failed(Attempt attempt, std::uint32_t vertex, std::uint32_t subtask, Error cause,
                        TimePoint now, std::int64_t wall_ms);
    // A TaskManager has nothing of this attempt any more.
    Actions attempt_closed(Attempt attempt, const std::string& taskmanager, TimePoint now,
                           std::int64_t wall_ms);
    // A TaskManager is gone, with everything that it had.
    Actions taskmanager_lost(const std::string& taskmanager, Error cause, TimePoint now,
                             std::int64_t wall_ms);
    // REQUIRES: now >= next_event().
    Actions tick(TimePoint now, std::int64_t wall_ms);
    // When tick() is wanted; TimePoint::max() = never.
    [[nodiscard]] TimePoint next_event() const { return restart_at_; }

    [[nodiscard]] JobId id() const { return id_; }
    [[nodiscard]] JobState state() const { return state_; }
    [[nodiscard]] Attempt attempt() const { return attempt_; }
    [[nodiscard]] const graph::JobGraph& graph() const { return graph_; }
    [[nodiscard]] std::span<const graph::Placement> placements() const { return placements_; }
    // The TaskManagers of the attempt, in the order that Placement::taskmanager counts.
    [[nodiscard]] std::span<const std::string> taskmanagers() const { return taskmanagers_; }
    [[nodiscard]] const std::deque<JobFailure>& failures() const { return failures_; }
    // Restarts so far.
    [[nodiscard]] std::uint32_t restarts() const { return restarts_; }
    // What the attempt waits for; empty when it does not wait.
    [[nodiscard]] const std::string& missing_room() const { return missing_room_; }
    // When each state was entered last, wall time; 0 = never.
    [[nodiscard]] std::int64_t entered_ms(JobState state) const;

  private:
    void move_to(JobState state, std::int64_t wall_ms);
    Actions fail(JobFailure failure, TimePoint now, std::int64_t wall_ms);
    // Leaves FAILING or CANCELLING, and frees the slots, once no TaskManager holds anything of the
    // attempt.
    Actions settle(TimePoint now, std::int64_t wall_ms);
    Actions restart_or_give_up(TimePoint now, std::int64_t wall_ms);
    [[nodiscard]] std::string task_name(std::uint32_t vertex, std::uint32_t subtask) const;
    [[nodiscard]] std::string home_of(std::uint32_t vertex, std::uint32_t subtask) const;
    [[nodiscard]] std::size_t task_count() const;

    // Constant after construction.
    const JobId id_;
    const graph::JobGraph graph_;
    const RestartPolicy policy_;

    // Belongs to the control thread.
    Random random_;
    JobState state_ = JobState::kCreated;
    Attempt attempt_{0};
    std::vector<graph::Placement> placements_;
    std::vector<std::string> taskmanagers_;
    std::string missing_room_;
    std::set<std::string> building_;  // TaskManagers that have not answered Deploy.
    std::set<std::string> holding_;   // TaskManagers that hold something of the attempt.
    std::set<std::pair<std::uint32_t, std::uint32_t>> finished_;
    std::deque<JobFailure> failures_;
    TimePoint started_at_ = TimePoint::max();
    TimePoint restart_at_ = TimePoint::max();
    std::uint32_t restarts_ = 0;
    std::uint32_t failures_in_a_row_ = 0;
    bool is_proven_ = false;
    bool is_refused_ = false;
    std::int64_t entered_ms_[8] = {};
};

}  // namespace millrace::jobmanager
