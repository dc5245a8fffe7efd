#include "runtime/jobmanager/job_master.h"

#include <algorithm>

#include "runtime/base/check.h"

namespace millrace::jobmanager {
namespace {

// Nothing that happens later mends a job that its own description makes fail. What it names may be
// missing or forbidden by mistake; that is its description's fault unless it was there before.
bool is_hopeless(Code code, bool is_proven) {
    if (code == Code::kInvalidArgument || code == Code::kInvalidOption) return true;
    return !is_proven && domain_of(code) == Domain::kUser;
}

}  // namespace

JobMaster::JobMaster(JobId id, graph::JobGraph graph, RestartPolicy policy, std::uint64_t seed)
    : id_(id), graph_(std::move(graph)), policy_(policy), random_(seed) {}

void JobMaster::move_to(JobState state, std::int64_t wall_ms) {
    MILLRACE_CHECK(is_legal(state_, state));
    state_ = state;
    entered_ms_[static_cast<std::size_t>(state)] = wall_ms;
}

std::int64_t JobMaster::entered_ms(JobState state) const {
    return entered_ms_[static_cast<std::size_t>(state)];
}

Actions JobMaster::submit(TimePoint, std::int64_t wall_ms) {
    MILLRACE_CHECK(state_ == JobState::kCreated && attempt_ == Attempt{0});
    entered_ms_[static_cast<std::size_t>(JobState::kCreated)] = wall_ms;
    attempt_ = Attempt{1};
    return {PlaceAndDeploy{}};
}

void JobMaster::placed(std::vector<graph::Placement> placements,
                       std::vector<std::string> taskmanagers) {
    MILLRACE_CHECK_EQ(placements.size(), task_count());
    missing_room_.clear();
    placements_ = std::move(placements);
    taskmanagers_ = std::move(taskmanagers);
    building_ = {taskmanagers_.begin(), taskmanagers_.end()};
    holding_ = building_;
    finished_.clear();
}

Actions JobMaster::deployed(Attempt attempt, const std::string& taskmanager, TimePoint now,
                            std::int64_t wall_ms) {
    if (attempt != attempt_ || state_ != JobState::kCreated) return {};
    building_.erase(taskmanager);
    if (!building_.empty()) return {};
    move_to(JobState::kRunning, wall_ms);
    started_at_ = now;
    return {StartTasks{}};
}

void JobMaster::wait_for_room(Attempt attempt, std::string missing) {
    MILLRACE_CHECK(attempt == attempt_ && state_ == JobState::kCreated && holding_.empty());
    missing_room_ = std::move(missing);
}

Actions JobMaster::room_changed() {
    if (missing_room_.empty()) return {};
    return {PlaceAndDeploy{}};
}

Actions JobMaster::deploy_failed(Attempt attempt, Error cause, TimePoint now,
                                 std::int64_t wall_ms) {
    if (attempt != attempt_ || state_ != JobState::kCreated) return {};
    return fail({.attempt = attempt_, .wall_ms = wall_ms, .cause = std::move(cause)}, now, wall_ms);
}

Actions JobMaster::build_failed(Attempt attempt, Error cause, TimePoint now, std::int64_t wall_ms) {
    if (attempt != attempt_ || state_ != JobState::kCreated) return {};
    is_refused_ = attempt == Attempt{1} && cause.code == Code::kResourceExhausted;
    return deploy_failed(attempt, std::move(cause), now, wall_ms);
}

Actions JobMaster::task_finished(Attempt attempt, std::uint32_t vertex, std::uint32_t subtask,
                                 TimePoint, std::int64_t wall_ms) {
    if (attempt != attempt_ || state_ != JobState::kRunning) return {};
    finished_.insert({vertex, subtask});
    if (finished_.size() < task_count()) return {};
    move_to(JobState::kFinished, wall_ms);
    // The slots stay taken until every TaskManager says that its memory came back.
    return {ReportEnd{}};
}

Actions JobMaster::task_failed(Attempt attempt, std::uint32_t vertex, std::uint32_t subtask,
                               Error cause, TimePoint now, std::int64_t wall_ms) {
    if (attempt != attempt_) return {};
    if (state_ != JobState::kRunning && state_ != JobState::kCreated) return {};
    return fail({.attempt = attempt_,
                 .wall_ms = wall_ms,
                 .cause = std::move(cause),
                 .task = task_name(vertex, subtask),
                 .taskmanager = home_of(vertex, subtask)},
                now, wall_ms);
}

Actions JobMaster::taskmanager_lost(const std::string& taskmanager, Error cause, TimePoint now,
                                    std::int64_t wall_ms) {
    if (holding_.erase(taskmanager) == 0) return {};
    building_.erase(taskmanager);
    if (state_ == JobState::kCreated || state_ == JobState::kRunning) {
        return fail({.attempt = attempt_,
                     .wall_ms = wall_ms,
                     .cause = std::move(cause),
                     .task = "",
                     .taskmanager = taskmanager},
                    now, wall_ms);
    }
    return settle(now, wall_ms);
}

Actions JobMaster::attempt_closed(Attempt attempt, const std::string& taskmanager, TimePoint now,
                                  std::int64_t wall_ms) {
    if (attempt != attempt_ || holding_.erase(taskmanager) == 0) return {};
    return settle(now, wall_ms);
}

Actions JobMaster::cancel(TimePoint now, std::int64_t wall_ms) {
    if (is_final(state_) || state_ == JobState::kCancelling) return {};
    restart_at_ = TimePoint::max();
    missing_room_.clear();
    move_to(JobState::kCancelling, wall_ms);
    Actions actions;
    if (!holding_.empty()) actions.emplace_back(CancelTasks{});
    std::ranges::move(settle(now, wall_ms), std::back_inserter(actions));
    return actions;
}

Actions JobMaster::fail(JobFailure failure, TimePoint now, std::int64_t wall_ms) {
    missing_room_.clear();
    failures_.push_back(std::move(failure));
    if (failures_.size() > kExceptionsMax) failures_.pop_front();
    move_to(JobState::kFailing, wall_ms);
    Actions actions;
    if (!holding_.empty()) actions.emplace_back(CancelTasks{});
    std::ranges::move(settle(now, wall_ms), std::back_inserter(actions));
    return actions;
}

Actions JobMaster::settle(TimePoint now, std::int64_t wall_ms) {
    if (!holding_.empty()) return {};
    if (state_ == JobState::kCancelling) {
        move_to(JobState::kCanceled, wall_ms);
        return {CloseAttempt{}, ReportEnd{}};
    }
    if (state_ == JobState::kFailing) return restart_or_give_up(now, wall_ms);
    if (state_ == JobState::kFinished) return {CloseAttempt{}};
    return {};
}

Actions JobMaster::restart_or_give_up(TimePoint now, std::int64_t wall_ms) {
    const Duration ran = started_at_ == TimePoint::max() ? Duration{} : now - started_at_;
    const bool was_healthy = ran >= policy_.healthy_after;
    is_proven_ = is_proven_ || ran >= policy_.proven_after;
    failures_in_a_row_ = was_healthy ? 1 : failures_in_a_row_ + 1;
    started_at_ = TimePoint::max();
    if (failures_in_a_row_ > policy_.give_up_after || is_refused_ ||
        is_hopeless(failures_.back().cause.code, is_proven_)) {
        move_to(JobState::kFailed, wall_ms);
        return {CloseAttempt{}, ReportEnd{}};
    }
    move_to(JobState::kRestarting, wall_ms);
    restart_at_ = now + backoff_after(policy_, failures_in_a_row_, random_);
    return {CloseAttempt{}};
}

Actions JobMaster::tick(TimePoint now, std::int64_t wall_ms) {
    if (state_ != JobState::kRestarting || now < restart_at_) return {};
    restart_at_ = TimePoint::max();
    ++restarts_;
    attempt_ = Attempt{static_cast<std::uint32_t>(attempt_) + 1};
    placements_.clear();
    taskmanagers_.clear();
    move_to(JobState::kCreated, wall_ms);
    return {PlaceAndDeploy{}};
}

std::string JobMaster::task_name(std::uint32_t vertex, std::uint32_t subtask) const {
    const graph::Vertex& v = graph_.vertices[vertex];
    return fmt::format("{} ({}/{})", v.name, subtask + 1, v.parallelism);
}

std::string JobMaster::home_of(std::uint32_t vertex, std::uint32_t subtask) const {
    for (const graph::Placement& p : placements_) {
        if (p.vertex == vertex && p.subtask == subtask) return taskmanagers_[p.taskmanager];
    }
    return {};
}

std::size_t JobMaster::task_count() const {
    std::size_t count = 0;
    for (const graph::Vertex& vertex : graph_.vertices) count += vertex.parallelism;
    return count;
}

}  // namespace millrace::jobmanager
