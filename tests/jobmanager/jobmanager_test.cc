#include "runtime/jobmanager/jobmanager.h"

#include <set>

#include <catch2/catch.hpp>

#include "tests/jobmanager/jobmanager_world.h"

namespace millrace::jobmanager {
namespace {

using Catch::Contains;
using std::chrono::milliseconds;
using std::chrono::seconds;

// Why the job failed first: the attempts after it may fail of their own accord.
std::string cause_of(JobManagerWorld& world, JobId id) {
    return world.ask(
        id, [](const JobEntry& entry) { return entry.master.failures().front().cause.message; });
}

TEST_CASE("JobManager tells a new TaskManager its epoch and the heartbeats it expects",
          "[jobmanager]") {
    JobManagerWorld world;
    const TaskManagerDouble a(world, "a", 2);
    REQUIRE(a.registered().leader_epoch() == 7);
    REQUIRE(a.registered().heartbeat_interval_ms() == 20);
    REQUIRE(a.registered().heartbeat_timeout_ms() == 600'000);
    REQUIRE(world.slots_free() == 2);
}

TEST_CASE("JobManager refuses a TaskManager that is not what it says", "[jobmanager]") {
    JobManagerWorld world;
    const TaskManagerDouble first(world, "a", 2);
    SECTION("without slots") {
        TaskManagerDouble none(world, "b", 0, TaskManagerDouble::Expect::kRefused);
        REQUIRE_THAT(none.take_end(), Contains("closed the connection"));
    }
    SECTION("under an id that is in use") {
        TaskManagerDouble second(world, "a", 2, TaskManagerDouble::Expect::kRefused);
        REQUIRE_THAT(second.take_end(), Contains("closed the connection"));
    }
    SECTION("of another version") {
        TaskManagerDouble old(world, TaskManagerDouble::Identity{"b", "1.2.2"}, 2,
                              TaskManagerDouble::Expect::kRefused);
        const proto::RegistrationRefused refusal = old.take_refusal();
        REQUIRE(refusal.error_code() == "invalid_argument");
        REQUIRE(refusal.error() ==
                "the JobManager is version 1.2.3, the TaskManager 1.2.2. Hint: run the same "
                "version of millrace in all processes of a cluster");
        REQUIRE_THAT(old.take_end(), Contains("closed the connection"));
    }
    REQUIRE(world.slots_free() == 2);
}

TEST_CASE("JobManager refuses a job that needs more slots than are free, with the numbers",
          "[jobmanager]") {
    JobManagerWorld world;
    const TaskManagerDouble a(world, "a", 2);
    const auto refused = world.submit(copy_job("copy", 3));
    REQUIRE_FALSE(refused);
    CHECK(refused.error().cause.code == Code::kResourceExhausted);
    CHECK_THAT(refused.error().cause.message, Contains("3") && Contains("2"));
    CHECK_THAT(refused.error().cause.message, Contains("taskmanager.numberOfTaskSlots"));
}

TEST_CASE("JobManager refuses a job that its TaskManager has no room for, at once",
          "[jobmanager]") {
    JobManagerWorld world;
    const TaskManagerDouble a(world, "a", 2);
    world.on_loop_do([&] { world.capacity.per_subtask = {.network_buffers = 51}; });
    const auto refused = world.submit(copy_job("copy", 2));
    REQUIRE_FALSE(refused);
    CHECK(refused.error().cause.code == Code::kResourceExhausted);
    CHECK_THAT(refused.error().cause.message, Contains("no room"));
    REQUIRE(world.on_loop([&] { return world.jobmanager->jobs().empty(); }));
    REQUIRE(world.slots_free() == 2);
}

TEST_CASE("JobManager counts what running jobs hold, until they have ended", "[jobmanager]") {
    JobManagerWorld world;
    TaskManagerDouble a(world, "a", 3);
    world.on_loop_do(
        [&] { world.capacity.per_subtask = {.network_buffers = 50, .task_bytes = 10}; });
    const JobId first = world.must_submit(copy_job("first", 1));
    const proto::DeployTasks deploy = a.run_next();
    const auto refused = world.submit(copy_job("second", 2));
    REQUIRE_FALSE(refused);
    REQUIRE_THAT(refused.error().cause.message, Contains("no room beside 50 buffers"));
    a.send_state(deploy, 0, proto::TASK_STATE_FINISHED);
    a.send_closed(deploy.job_id(), 1);
    REQUIRE(world.comes_to(first, JobState::kFinished));
    REQUIRE(support::eventually([&] { return world.slots_free() == 3; }));
    world.must_submit(copy_job("second", 2));
    REQUIRE(a.run_next().placements_size() == 2);
}

TEST_CASE("JobManager refuses what the outer world refuses, and keeps nothing of it",
          "[jobmanager]") {
    JobManagerWorld world;
    const TaskManagerDouble a(world, "a", 2);
    world.on_loop_do([&] { world.directory.refusal = Error{Code::kNotFound, "no topic `out`"}; });
    const auto refused = world.submit(copy_job("copy", 2));
    REQUIRE_FALSE(refused);
    REQUIRE(refused.error().cause.message == "out: no topic `out`");
    REQUIRE(world.on_loop([&] { return world.jobmanager->jobs().empty(); }));
    REQUIRE(world.slots_free() == 2);
}

TEST_CASE("JobManager names everything that is missing in the outer world, but one failure of it",
          "[jobmanager]") {
    JobManagerWorld world;
    const TaskManagerDouble a(world, "a", 2);
    proto::Job job = copy_job("copy", 2);
    *job.add_sinks() = job.sinks(0);
    job.mutable_sinks(1)->set_name("more");
    const auto [code, text] = GENERATE(table<Code, std::string>(
        {{Code::kNotFound, "out: no topic. Hint: make it\n  more: no topic. Hint: make it"},
         {Code::kUnavailable, "out: no topic. Hint: make it"}}));
    world.on_loop_do(
        [&, code = code] { world.directory.refusal = Error{code, "no topic. Hint: make it"}; });
    const auto refused = world.submit(job);
    REQUIRE_FALSE(refused);
    REQUIRE(refused.error().cause.code == code);
    REQUIRE(refused.error().cause.message == text);
    const auto problem = [](const std::string& number, const std::string& path) {
        return JobProblem{.code = number, .path = path, .message = "no topic", .fix = "make it"};
    };
    if (code == Code::kNotFound)
        REQUIRE(refused.error().problems == std::vector{problem("E110", "sinks.out.topic"),
                                                        problem("E110", "sinks.more.topic")});
    else
        REQUIRE(refused.error().problems == std::vector{problem("E111", "sinks.out.cluster")});
}

TEST_CASE("JobManager refuses a second job of a name that is in use", "[jobmanager]") {
    JobManagerWorld world;
    TaskManagerDouble a(world, "a", 2);
    const JobId first = world.must_submit(copy_job("copy", 1));
    const auto second = world.submit(copy_job("copy", 1));
    REQUIRE_FALSE(second);
    REQUIRE(second.error().cause.code == Code::kAlreadyExists);
    REQUIRE_THAT(second.error().cause.message, Contains("copy"));

    const proto::DeployTasks deploy = a.run_next();
    a.send_state(deploy, 0, proto::TASK_STATE_FINISHED);
    REQUIRE(world.comes_to(first, JobState::kFinished));
    REQUIRE(world.submit(copy_job("copy", 1)));
}

TEST_CASE("JobManager deals the splits of a source over its subtasks", "[jobmanager]") {
    JobManagerWorld world;
    TaskManagerDouble a(world, "a", 2);
    world.must_submit(copy_job("copy", 2));
    const proto::DeployTasks deploy = a.take_deploy();
    REQUIRE(deploy.splits_size() == 2);
    REQUIRE(deploy.splits(0).subtask() == 0);
    REQUIRE(deploy.splits(0).splits_size() == 2);
    CHECK(deploy.splits(0).splits(0).name() == "rows/0");
    CHECK(deploy.splits(0).splits(1).name() == "rows/2");
    REQUIRE(deploy.splits(1).splits_size() == 1);
    CHECK(deploy.splits(1).splits(0).name() == "rows/1");
    CHECK(deploy.splits(1).splits(0).index() == 1);
    CHECK(deploy.kafka(0).name() == "default");
    CHECK(deploy.taskmanagers(0).data_address() == "a.example:6124");
}

TEST_CASE("JobManager starts no task before every TaskManager has built its part", "[jobmanager]") {
    JobManagerWorld world;
    TaskManagerDouble a(world, "a", 1);
    TaskManagerDouble b(world, "b", 1);
    const JobId id = world.must_submit(copy_job("copy", 2));
    const proto::DeployTasks at_a = a.take_deploy();
    const proto::DeployTasks at_b = b.take_deploy();
    REQUIRE(at_a.self() != at_b.self());
    REQUIRE(at_a.placements_size() == 2);
    a.send_deployed(at_a);
    REQUIRE(world.state_of(id) == JobState::kCreated);
    b.send_deployed(at_b);
    REQUIRE(a.take_start().attempt() == 1);
    REQUIRE(b.take_start().attempt() == 1);
    REQUIRE(world.state_of(id) == JobState::kRunning);
}

TEST_CASE("JobManager frees the slots of a finished job when its memory came back",
          "[jobmanager]") {
    JobManagerWorld world;
    TaskManagerDouble a(world, "a", 2);
    const JobId id = world.must_submit(copy_job("copy", 2));
    REQUIRE(world.slots_free() == 0);
    const proto::DeployTasks deploy = a.run_next();
    a.send_state(deploy, 0, proto::TASK_STATE_FINISHED);
    a.send_state(deploy, 1, proto::TASK_STATE_FINISHED);
    REQUIRE(world.comes_to(id, JobState::kFinished));
    REQUIRE(world.slots_free() == 0);
    a.send_closed(deploy.job_id(), 1);
    REQUIRE(support::eventually([&] { return world.slots_free() == 2; }));
}

TEST_CASE("JobManager tries a job again when a task fails, and names the task", "[jobmanager]") {
    JobManagerWorld world;
    TaskManagerDouble a(world, "a", 2);
    const JobId id = world.must_submit(copy_job("copy", 2));
    const proto::DeployTasks first = a.run_next();
    a.send_state(first, 1, proto::TASK_STATE_FAILED, "unavailable", "the broker is away");
    REQUIRE(a.take_cancel().attempt() == 1);
    REQUIRE(world.state_of(id) == JobState::kFailing);
    a.send_closed(first.job_id(), 1);

    const proto::DeployTasks second = a.run_next();
    REQUIRE(second.attempt() == 2);
    REQUIRE(second.job_id() == first.job_id());
    REQUIRE(world.comes_to(id, JobState::kRunning));
    REQUIRE(cause_of(world, id) == "the broker is away");
    const std::string task =
        world.ask(id, [](const JobEntry& entry) { return entry.master.failures().back().task; });
    REQUIRE_THAT(task, Contains("(2/2)"));
}

TEST_CASE("JobManager refuses a job whose deployment does not fit into a message", "[jobmanager]") {
    JobManagerWorld world;
    TaskManagerDouble a(world, "a", 1);
    world.on_loop_do([&] {
        // 9 MB of names.
        for (int i = 0; i < 3000; ++i)
            world.directory.splits.push_back(split_named(fmt::format("{:03000}", i)));
    });
    const JobId id = world.must_submit(copy_job("copy", 1));
    a.send_closed(id.to_string(), a.take_cancel().attempt());
    REQUIRE(world.comes_to(id, JobState::kFailed));
    REQUIRE_THAT(cause_of(world, id), Contains("cannot be deployed: a control message of 9"));
    REQUIRE(world.slots_free() == 1);
}

TEST_CASE("JobManager gives up at once on what its own description makes fail", "[jobmanager]") {
    JobManagerWorld world;
    TaskManagerDouble a(world, "a", 1);
    const JobId id = world.must_submit(copy_job("copy", 1));
    const proto::DeployTasks deploy = a.take_deploy();
    a.send_deployed(deploy, "invalid_argument", "no such field");
    a.take_cancel();
    a.send_closed(deploy.job_id(), 1);
    REQUIRE(world.comes_to(id, JobState::kFailed));
    REQUIRE(cause_of(world, id) == "no such field");
    REQUIRE(support::eventually([&] { return world.slots_free() == 1; }));
}

TEST_CASE("JobManager moves a job to another TaskManager when the connection to its own breaks",
          "[jobmanager]") {
    JobManagerWorld world;
    TaskManagerDouble a(world, "a", 1);
    const JobId id = world.must_submit(copy_job("copy", 1));
    a.run_next();
    TaskManagerDouble b(world, "b", 1);
    a.disconnect();
    const proto::DeployTasks again = b.run_next();
    REQUIRE(again.attempt() == 2);
    REQUIRE(world.comes_to(id, JobState::kRunning));
    REQUIRE_THAT(cause_of(world, id), Contains("TaskManager a is lost"));
}

TEST_CASE("JobManager shows a job's first cause while it waits for a TaskManager, and goes on",
          "[jobmanager]") {
    JobManagerWorld world;
    proto::Job job = copy_job("copy", 2);
    job.mutable_runtime()->mutable_restart()->set_give_up_after(1);
    const auto missing_room = [&](JobId id) {
        return world.ask(id, [](const JobEntry& entry) { return entry.master.missing_room(); });
    };
    std::optional<TaskManagerDouble> first(std::in_place, world, "a", 2);
    const JobId id = world.must_submit(job);
    first->run_next();
    first.reset();
    REQUIRE(support::eventually([&] { return !missing_room(id).empty(); }));
    REQUIRE_THAT(missing_room(id), Contains("needs 2 slots, and no TaskManager is registered"));
    // Too small; one more attempt that failed would be the end of the job.
    const TaskManagerDouble small(world, "b", 1);
    REQUIRE(support::eventually(
        [&] { return missing_room(id).find("1 of 1 are free") != std::string::npos; }));
    REQUIRE(world.state_of(id) == JobState::kCreated);
    REQUIRE_THAT(cause_of(world, id), Contains("TaskManager a is lost"));
    TaskManagerDouble last(world, "c", 1);
    REQUIRE(support::eventually([&] { return missing_room(id).empty(); }));
    REQUIRE(last.take_deploy().attempt() == 2);
    const auto [restarts, failures] = world.ask(id, [](const JobEntry& entry) {
        return std::pair(entry.master.restarts(), entry.master.failures().size());
    });
    REQUIRE(restarts == 1);
    REQUIRE(failures == 1);
}

TEST_CASE("JobManager gives what a job leaves to one that waits", "[jobmanager]") {
    JobManagerWorld world;
    std::optional<TaskManagerDouble> first(std::in_place, world, "a", 1);
    const JobId waiting = world.must_submit(copy_job("waiting", 1));
    first->run_next();
    TaskManagerDouble second(world, "b", 1);
    const JobId other = world.must_submit(copy_job("other", 1));
    const proto::DeployTasks deploy = second.run_next();
    first.reset();
    REQUIRE(support::eventually([&] {
        return world.ask(
            waiting, [](const JobEntry& entry) { return !entry.master.missing_room().empty(); });
    }));
    second.send_state(deploy, 0, proto::TASK_STATE_FINISHED);
    second.send_closed(deploy.job_id(), 1);
    REQUIRE(world.comes_to(other, JobState::kFinished));
    REQUIRE(second.run_next().job_id() == waiting.to_string());
    REQUIRE(world.comes_to(waiting, JobState::kRunning));
}

TEST_CASE("JobManager takes a silent TaskManager for lost", "[jobmanager]") {
    JobManager::Options options = JobManagerWorld::default_options();
    options.heartbeat_timeout = milliseconds(1000);
    JobManagerWorld world(std::move(options));
    TaskManagerDouble a(world, "a", 1);
    const JobId id = world.must_submit(copy_job("copy", 1));
    a.run_next();
    REQUIRE_THAT(a.take_end(), Contains("closed the connection"));
    REQUIRE_THAT(cause_of(world, id),
                 Contains("TaskManager a is lost: no heartbeat within 1000 ms"));
    REQUIRE(world.on_loop([&] { return world.jobmanager->taskmanagers().all().empty(); }));
}

TEST_CASE("JobManager that was stopped itself takes no TaskManager for lost", "[jobmanager]") {
    JobManagerWorld world;
    TaskManagerDouble a(world, "a", 1);
    const JobId id = world.must_submit(copy_job("copy", 1));
    a.run_next();
    const auto checks_silent = [&] {
        return world.on_loop(
            [&] { return world.jobmanager->taskmanagers().all().at("a").checks_silent; });
    };
    world.shifted.shift(seconds(601));
    const std::uint32_t checks = checks_silent();
    REQUIRE(support::eventually([&] { return checks_silent() > checks + 1; }));
    REQUIRE(world.state_of(id) == JobState::kRunning);
}

TEST_CASE("JobManager keeps a TaskManager whose heartbeats come", "[jobmanager]") {
    JobManagerWorld world;
    TaskManagerDouble a(world, "a", 1);
    const JobId id = world.must_submit(copy_job("copy", 1));
    const proto::DeployTasks deploy = a.run_next();
    proto::ControlMessage message;
    proto::SubtaskReport& report = *message.mutable_heartbeat()->add_subtasks();
    report.set_job_id(deploy.job_id());
    report.set_attempt(1);
    const auto records_in = [&] {
        return world.ask(id, [](const JobEntry& entry) {
            const auto found = entry.reports.find({0, 0});
            return found == entry.reports.end() ? 0 : found->second.records_in();
        });
    };
    for (std::uint64_t i = 1; i <= 3; ++i) {
        message.mutable_heartbeat()->mutable_subtasks(0)->set_records_in(i);
        a.send(message);
        REQUIRE(support::eventually([&] { return records_in() == i; }));
    }
    REQUIRE(world.state_of(id) == JobState::kRunning);
    REQUIRE(support::eventually([&] { return a.heartbeats_seen() == 3; }));
    constexpr std::uint32_t kMany = 25;
    const auto is_silent = [&] {
        return world.on_loop(
            [&] { return world.jobmanager->taskmanagers().all().at("a").checks_silent >= kMany; });
    };
    REQUIRE(support::eventually(is_silent));
    a.send(message);
    REQUIRE(support::eventually([&] { return !is_silent(); }));
}

TEST_CASE("JobManager ignores the reports of an older attempt", "[jobmanager]") {
    JobManagerWorld world;
    TaskManagerDouble a(world, "a", 1);
    const JobId id = world.must_submit(copy_job("copy", 1));
    const proto::DeployTasks first = a.run_next();
    a.send_state(first, 0, proto::TASK_STATE_FAILED, "unavailable", "away");
    a.take_cancel();
    a.send_closed(first.job_id(), 1);
    a.run_next();
    a.send_state(first, 0, proto::TASK_STATE_FINISHED);
    a.send_closed(first.job_id(), 1);
    REQUIRE(world.comes_to(id, JobState::kRunning));
    REQUIRE(world.slots_free() == 0);
}

TEST_CASE("JobManager cancels a job by its tasks and frees the slots", "[jobmanager]") {
    JobManagerWorld world;
    TaskManagerDouble a(world, "a", 1);
    const JobId id = world.must_submit(copy_job("copy", 1));
    const proto::DeployTasks deploy = a.run_next();
    REQUIRE(world.on_loop([&] { return world.jobmanager->cancel(id); }));
    REQUIRE(a.take_cancel().job_id() == id.to_string());
    REQUIRE(world.state_of(id) == JobState::kCancelling);
    a.send_state(deploy, 0, proto::TASK_STATE_CANCELED);
    a.send_closed(deploy.job_id(), 1);
    REQUIRE(world.comes_to(id, JobState::kCanceled));
    REQUIRE(world.slots_free() == 1);
    const Status again = world.on_loop([&] { return world.jobmanager->cancel(id); });
    REQUIRE_FALSE(again);
    REQUIRE(again.error().code == Code::kInvalidArgument);
    REQUIRE_THAT(again.error().message, Contains("CANCELED"));
}

// A job of two subtasks in one TaskManager, whose new partitions are looked for all the time.
struct RunningCopy {
    RunningCopy() {
        world.must_submit(copy_job("copy", 2));
        a.run_next();
    }
    static JobManager::Options options() {
        JobManager::Options options = JobManagerWorld::default_options();
        options.discovery_interval = milliseconds(5);
        return options;
    }

    JobManagerWorld world{options()};
    TaskManagerDouble a{world, "a", 2};
};

TEST_CASE("JobManager hands new partitions to the running subtasks", "[jobmanager]") {
    RunningCopy running;
    auto& [world, a] = running;
    world.on_loop_do([&] { world.directory.splits.push_back(split_named("rows/3", 0)); });
    const proto::AddSplits added = a.take_splits();
    REQUIRE(added.attempt() == 1);
    REQUIRE(added.splits_size() == 1);
    CHECK(added.splits(0).subtask() == 1);
    REQUIRE(added.splits(0).splits_size() == 1);
    CHECK(added.splits(0).splits(0).name() == "rows/3");
    CHECK(added.splits(0).splits(0).index() == 3);
}

TEST_CASE("JobManager hands new partitions on in as many messages as they need", "[jobmanager]") {
    RunningCopy running;
    auto& [world, a] = running;
    constexpr int kNew = 3000;
    world.on_loop_do([&] {
        // 9 MB of names.
        for (int i = 0; i < kNew; ++i)
            world.directory.splits.push_back(split_named(fmt::format("{:03000}", i)));
    });
    std::set<std::int32_t> indexes;
    const auto take = [&] {
        const proto::AddSplits added = a.take_splits();
        for (const proto::SourceSplits& part : added.splits()) {
            for (const proto::SplitAssignment& split : part.splits()) {
                CHECK(static_cast<std::uint32_t>(split.index()) % 2 == part.subtask());
                indexes.insert(split.index());
            }
        }
    };
    take();
    REQUIRE(indexes.size() < kNew);
    take();
    REQUIRE(indexes.size() == kNew);
    CHECK(*indexes.begin() == 3);
}

TEST_CASE("JobManager finds a job by its name, its id or the beginning of its id", "[jobmanager]") {
    JobManagerWorld world;
    const TaskManagerDouble a(world, "a", 4);
    const JobId id = world.must_submit(copy_job("copy", 1));
    const auto find = [&](const std::string& text) {
        return world.on_loop([&]() -> Result<std::string> {
            MILLRACE_TRY_ASSIGN(const JobEntry* entry, world.jobmanager->find(text));
            return entry->master.id().to_string();
        });
    };
    REQUIRE(find("copy") == id.to_string());
    REQUIRE(find(id.to_string()) == id.to_string());
    REQUIRE(find(id.to_string().substr(0, 6)) == id.to_string());
    REQUIRE(find("copies").error().code == Code::kNotFound);
    REQUIRE(find("").error().code == Code::kNotFound);
}

TEST_CASE("JobManager finds the newest job of a name that several have had", "[jobmanager]") {
    JobManagerWorld world;
    TaskManagerDouble a(world, "a", 1);
    const auto run_and_cancel = [&] {
        const JobId id = world.must_submit(copy_job("copy", 1));
        const proto::DeployTasks deploy = a.run_next();
        REQUIRE(world.on_loop([&] { return world.jobmanager->cancel(id); }));
        a.take_cancel();
        a.send_closed(deploy.job_id(), 1);
        REQUIRE(world.comes_to(id, JobState::kCanceled));
        return id;
    };
    const auto find = [&] {
        return world.on_loop([&] { return (*world.jobmanager->find("copy"))->master.id(); });
    };
    const JobId first = run_and_cancel();
    REQUIRE(find() == first);
    const JobId second = run_and_cancel();
    REQUIRE(find() == second);
    const JobId third = world.must_submit(copy_job("copy", 1));
    REQUIRE(find() == third);
}

TEST_CASE("JobManager hangs up on a report about a task that is not", "[jobmanager]") {
    JobManagerWorld world;
    TaskManagerDouble a(world, "a", 1);
    const JobId id = world.must_submit(copy_job("copy", 1));
    const proto::DeployTasks deploy = a.run_next();
    const bool other_vertex = GENERATE(false, true);
    proto::ControlMessage message;
    proto::TaskStateChanged& changed = *message.mutable_task_state_changed();
    changed.set_job_id(deploy.job_id());
    changed.set_attempt(1);
    changed.set_vertex(other_vertex ? 1'000'000 : 0);
    changed.set_subtask(other_vertex ? 0 : 1);
    changed.set_state(other_vertex ? proto::TASK_STATE_FAILED : proto::TASK_STATE_FINISHED);
    a.send(message);
    REQUIRE_THAT(a.take_end(), Contains("closed the connection"));
    REQUIRE_THAT(cause_of(world, id), Contains("is lost"));
}

}  // namespace
}  // namespace millrace::jobmanager
