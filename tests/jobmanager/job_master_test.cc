#include "runtime/jobmanager/job_master.h"

#include <catch2/catch.hpp>

namespace millrace::jobmanager {
namespace {

// One vertex of two subtasks on the TaskManagers "a" and "b".
class Story {
  public:
    explicit Story(RestartPolicy policy = {}) : master(JobId{1, 2}, graph(), policy, 7) {
        master.submit(now, 0);
        place();
    }

    static graph::JobGraph graph() {
        graph::JobGraph graph;
        graph.operators.push_back({.name = "rows", .parallelism = 2});
        graph.vertices.push_back(
            {.id = {}, .name = "rows", .parallelism = 2, .operators = {0}, .models = {}});
        return graph;
    }
    void place() {
        master.placed({{.vertex = 0, .subtask = 0, .taskmanager = 0, .slot = 0},
                       {.vertex = 0, .subtask = 1, .taskmanager = 1, .slot = 0}},
                      {"a", "b"});
    }
    void run() {
        master.deployed(master.attempt(), "a", now, 0);
        master.deployed(master.attempt(), "b", now, 0);
    }
    Actions close(const std::string& taskmanager) {
        return master.attempt_closed(master.attempt(), taskmanager, now, 0);
    }
    Actions fail(std::uint32_t subtask, Code code = Code::kUnavailable) {
        return master.task_failed(master.attempt(), 0, subtask, Error{code, "broken"}, now, 0);
    }
    // Fails, closes and waits for the next attempt.
    void lose_an_attempt() {
        fail(0);
        close("a");
        close("b");
        now = master.next_event();
        master.tick(now, 0);
        place();
    }

    TimePoint now{std::chrono::seconds(100)};
    JobMaster master;
};

template <class T>
bool has(const Actions& actions) {
    for (const Action& action : actions) {
        if (std::holds_alternative<T>(action)) return true;
    }
    return false;
}

TEST_CASE("JobMaster starts the tasks when every TaskManager has built its part", "[jobmanager]") {
    Story story;
    REQUIRE(story.master.deployed(Attempt{1}, "a", story.now, 0).empty());
    REQUIRE(story.master.state() == JobState::kCreated);
    REQUIRE(has<StartTasks>(story.master.deployed(Attempt{1}, "b", story.now, 5)));
    REQUIRE(story.master.state() == JobState::kRunning);
    REQUIRE(story.master.entered_ms(JobState::kRunning) == 5);
}

TEST_CASE("JobMaster finishes when every subtask has finished", "[jobmanager]") {
    Story story;
    story.run();
    REQUIRE(story.master.task_finished(Attempt{1}, 0, 0, story.now, 0).empty());
    REQUIRE(story.master.task_finished(Attempt{1}, 0, 0, story.now, 0).empty());
    const Actions actions = story.master.task_finished(Attempt{1}, 0, 1, story.now, 0);
    REQUIRE(has<ReportEnd>(actions));
    REQUIRE(story.master.state() == JobState::kFinished);
}

TEST_CASE("JobMaster keeps the slots of a finished job until all its memory came back",
          "[jobmanager]") {
    Story story;
    story.run();
    story.master.task_finished(Attempt{1}, 0, 0, story.now, 0);
    REQUIRE_FALSE(has<CloseAttempt>(story.master.task_finished(Attempt{1}, 0, 1, story.now, 0)));
    REQUIRE(story.close("a").empty());
    REQUIRE(story.close("a").empty());
    SECTION("by the last TaskManager's word") { REQUIRE(has<CloseAttempt>(story.close("b"))); }
    SECTION("or when that TaskManager is gone") {
        REQUIRE(has<CloseAttempt>(story.master.taskmanager_lost("b", Error{}, story.now, 0)));
    }
    REQUIRE(story.master.state() == JobState::kFinished);
}

TEST_CASE("JobMaster keeps the first cause and waits for all TaskManagers before it restarts",
          "[jobmanager]") {
    Story story;
    story.run();
    REQUIRE(has<CancelTasks>(story.fail(1)));
    REQUIRE(story.fail(0).empty());
    REQUIRE(story.master.failures().size() == 1);
    REQUIRE(story.master.failures()[0].task == "rows (2/2)");
    REQUIRE(story.master.failures()[0].taskmanager == "b");
    REQUIRE(story.close("a").empty());
    REQUIRE(story.master.state() == JobState::kFailing);
    REQUIRE(has<CloseAttempt>(story.close("b")));
    REQUIRE(story.master.state() == JobState::kRestarting);
}

TEST_CASE("JobMaster ignores what an older attempt says", "[jobmanager]") {
    Story story;
    story.run();
    story.lose_an_attempt();
    REQUIRE(story.master.attempt() == Attempt{2});
    REQUIRE(story.master.task_failed(Attempt{1}, 0, 0, Error{}, story.now, 0).empty());
    REQUIRE(story.master.deployed(Attempt{1}, "a", story.now, 0).empty());
    REQUIRE(story.master.attempt_closed(Attempt{1}, "a", story.now, 0).empty());
    REQUIRE(story.master.state() == JobState::kCreated);
}

TEST_CASE("JobMaster doubles the wait between attempts up to its limit", "[jobmanager]") {
    Story story({.backoff_min = std::chrono::seconds(1), .backoff_max = std::chrono::seconds(3)});
    story.run();
    const double expected[] = {1, 2, 3, 3};
    for (const double seconds : expected) {
        story.fail(0);
        story.close("a");
        story.close("b");
        const double wait =
            std::chrono::duration<double>(story.master.next_event() - story.now).count();
        REQUIRE(wait >= seconds);
        REQUIRE(wait <= seconds * 1.1);
        REQUIRE(story.master.tick(story.now, 0).empty());
        story.now = story.master.next_event();
        REQUIRE(has<PlaceAndDeploy>(story.master.tick(story.now, 0)));
        story.place();
        story.run();
    }
    REQUIRE(story.master.restarts() == 4);
}

TEST_CASE("JobMaster gives up after its attempts in a row", "[jobmanager]") {
    Story story({.give_up_after = 2});
    story.run();
    story.lose_an_attempt();
    story.run();
    story.lose_an_attempt();
    story.run();
    story.fail(0);
    story.close("a");
    REQUIRE(has<ReportEnd>(story.close("b")));
    REQUIRE(story.master.state() == JobState::kFailed);
    REQUIRE(story.master.next_event() == TimePoint::max());
}

TEST_CASE("JobMaster counts attempts anew after one that ran long", "[jobmanager]") {
    Story story({.give_up_after = 1});
    story.run();
    story.lose_an_attempt();
    story.run();
    story.now += std::chrono::minutes(6);
    story.lose_an_attempt();
    REQUIRE(story.master.state() == JobState::kCreated);
    REQUIRE(story.master.attempt() == Attempt{3});
}

TEST_CASE("JobMaster does not repeat what the user's own description makes fail", "[jobmanager]") {
    Story story;
    story.run();
    story.fail(0, Code::kInvalidArgument);
    story.close("a");
    story.close("b");
    REQUIRE(story.master.state() == JobState::kFailed);
}

TEST_CASE("JobMaster tries again when what a running job names went away", "[jobmanager]") {
    const Code code = GENERATE(Code::kNotFound, Code::kPermissionDenied);
    Story story;
    story.run();
    story.now += std::chrono::seconds(10);
    story.fail(0, code);
    story.close("a");
    story.close("b");
    REQUIRE(story.master.state() == JobState::kRestarting);
}

TEST_CASE("JobMaster ends a job that begins without what it names", "[jobmanager]") {
    Story story;
    SECTION("while it is built") {}
    SECTION("when its tasks open") { story.run(); }
    story.fail(0, Code::kNotFound);
    story.close("a");
    story.close("b");
    REQUIRE(story.master.state() == JobState::kFailed);
}

TEST_CASE("JobMaster restarts without the TaskManager that was lost", "[jobmanager]") {
    Story story;
    story.run();
    const Actions actions = story.master.taskmanager_lost(
        "b", Error{Code::kUnavailable, "connection reset"}, story.now, 0);
    REQUIRE(has<CancelTasks>(actions));
    REQUIRE(story.master.failures()[0].taskmanager == "b");
    REQUIRE(has<CloseAttempt>(story.close("a")));
    REQUIRE(story.master.state() == JobState::kRestarting);
}

TEST_CASE("JobMaster does not care for the loss of a TaskManager without its tasks",
          "[jobmanager]") {
    Story story;
    story.run();
    REQUIRE(story.master.taskmanager_lost("c", Error{}, story.now, 0).empty());
    REQUIRE(story.master.state() == JobState::kRunning);
}

TEST_CASE("JobMaster cancels from every state that is not final", "[jobmanager]") {
    Story story;
    SECTION("while tasks are being built") {}
    SECTION("while running") { story.run(); }
    SECTION("while failing") {
        story.run();
        story.fail(0);
    }
    story.master.cancel(story.now, 0);
    REQUIRE(story.master.state() == JobState::kCancelling);
    story.close("a");
    REQUIRE(has<ReportEnd>(story.close("b")));
    REQUIRE(story.master.state() == JobState::kCanceled);
    REQUIRE(story.master.cancel(story.now, 0).empty());
}

TEST_CASE("JobMaster cancels at once while it waits for the next attempt", "[jobmanager]") {
    Story story;
    story.run();
    story.fail(0);
    story.close("a");
    story.close("b");
    REQUIRE(has<ReportEnd>(story.master.cancel(story.now, 0)));
    REQUIRE(story.master.state() == JobState::kCanceled);
    REQUIRE(story.master.next_event() == TimePoint::max());
}

TEST_CASE("JobMaster waits for room without limit, at the cost of no restart", "[jobmanager]") {
    Story story({.give_up_after = 1});
    story.run();
    story.fail(0);
    story.close("a");
    story.close("b");
    story.now = story.master.next_event();
    REQUIRE(has<PlaceAndDeploy>(story.master.tick(story.now, 0)));
    for (int i = 0; i < 20; ++i) {
        story.master.wait_for_room(Attempt{2}, "needs 2 slots, 0 of 0 are free");
        REQUIRE(story.master.state() == JobState::kCreated);
        REQUIRE(story.master.missing_room() == "needs 2 slots, 0 of 0 are free");
        REQUIRE(story.master.next_event() == TimePoint::max());
        REQUIRE(has<PlaceAndDeploy>(story.master.room_changed()));
    }
    REQUIRE(story.master.restarts() == 1);
    REQUIRE(story.master.failures().size() == 1);
    REQUIRE(story.master.failures().back().cause.message == "broken");
    story.place();
    REQUIRE(story.master.missing_room().empty());
    REQUIRE(story.master.room_changed().empty());
    story.run();
    REQUIRE(story.master.state() == JobState::kRunning);
    REQUIRE(story.master.attempt() == Attempt{2});
}

TEST_CASE("JobMaster cancels a job that waits for room at once", "[jobmanager]") {
    JobMaster master(JobId{}, Story::graph(), {}, 1);
    master.submit(TimePoint{}, 0);
    master.wait_for_room(Attempt{1}, "needs 2 slots");
    const Actions actions = master.cancel(TimePoint{}, 0);
    REQUIRE(has<ReportEnd>(actions));
    REQUIRE_FALSE(has<CancelTasks>(actions));
    REQUIRE(master.state() == JobState::kCanceled);
    REQUIRE(master.room_changed().empty());
}

TEST_CASE("JobMaster ends a job whose buffers or memory never sufficed", "[jobmanager]") {
    Story story;
    const Error cause{Code::kResourceExhausted, "required 17 buffers, 15 available"};
    story.master.build_failed(Attempt{1}, cause, story.now, 0);
    REQUIRE(story.master.state() == JobState::kFailing);
    story.close("a");
    REQUIRE(has<CloseAttempt>(story.close("b")));
    REQUIRE(story.master.state() == JobState::kFailed);
    REQUIRE(story.master.failures().back().cause.message == cause.message);
}

TEST_CASE("JobMaster tries a job that has run again when its memory does not suffice now",
          "[jobmanager]") {
    Story story;
    story.run();
    story.lose_an_attempt();
    story.master.build_failed(Attempt{2}, Error{Code::kResourceExhausted, "full"}, story.now, 0);
    story.close("a");
    story.close("b");
    REQUIRE(story.master.state() == JobState::kRestarting);
}

TEST_CASE("JobMaster remembers a bounded number of failures", "[jobmanager]") {
    Story story({.give_up_after = 1000});
    story.run();
    for (std::size_t i = 0; i < JobMaster::kExceptionsMax + 4; ++i) {
        story.lose_an_attempt();
        story.run();
    }
    REQUIRE(story.master.failures().size() == JobMaster::kExceptionsMax);
}

}  // namespace
}  // namespace millrace::jobmanager
