#include "runtime/taskmanager/taskmanager.h"

#include <atomic>

#include <catch2/catch.hpp>

#include "runtime/base/check.h"
#include "tests/jobmanager/jobmanager_world.h"
#include "tests/support/temp_dir.h"

namespace millrace::taskmanager {
namespace {

using Catch::Contains;
using jobmanager::JobEntry;
using jobmanager::JobState;

// Rows 0, 1, 2 and so on from `subtasks` subtasks into nothing.
proto::Job counting_job(int subtasks, std::int64_t rows) {
    proto::Job job = graph::job_from(R"pb(
        name: "count"
        runtime {
          restart {
            backoff { min_ms: 1 max_ms: 2 }
            give_up_after: 1
          }
        }
        sources {
          name: "rows"
          generate { preset: PRESET_SEQUENCE seed: 1 }
        }
        sinks {
          name: "out"
          from: "rows"
          discard {}
        })pb");
    job.mutable_sources(0)->set_parallelism(subtasks);
    if (rows > 0) job.mutable_sources(0)->mutable_generate()->set_limit_rows(rows);
    return job;
}

// A real JobManager and a real TaskManager on one control loop.
struct ClusterWorld : jobmanager::JobManagerWorld {
    explicit ClusterWorld(const std::string& slots = "2") {
        directory.splits = {jobmanager::split_named("rows")};
        const std::vector<memory::Setting> settings{
            {.key = "taskmanager.memory.process.size", .value = "512m"},
            {.key = "taskmanager.numberOfTaskSlots", .value = slots}};
        auto budget = memory::MemoryBudget::derive(settings, {});
        if (!budget) FAIL(budget.error().message);
        on_loop_do([&] {
            taskmanager.emplace(
                loop, clock, registry, operators::builtin_operators(),
                TaskManager::Options{.jobmanager = {"127.0.0.1", port},
                                     .id = "tm-1",
                                     .version = "1.2.3",
                                     .workers = 2,
                                     .memory = std::move(*budget),
                                     .reconnect_min = std::chrono::milliseconds(5),
                                     .reconnect_max = std::chrono::milliseconds(5)});
            REQUIRE(taskmanager->start());
        });
        REQUIRE(is_registered());
    }
    ~ClusterWorld() {
        on_loop_do([&] { taskmanager.reset(); });
    }

    bool is_registered() {
        return support::eventually(
            [&] { return on_loop([&] { return taskmanager->is_registered(); }); });
    }
    bool has_all_slots_back() {
        return support::eventually([&] {
            return on_loop([&] {
                const auto& registered = jobmanager->taskmanagers();
                return registered.slots_total() > 0 &&
                       registered.slots_free() == registered.slots_total();
            });
        });
    }

    std::optional<TaskManager> taskmanager;
};

TEST_CASE("TaskManager runs a job to its end and gives its slots back", "[taskmanager]") {
    ClusterWorld world;
    const JobId id = world.must_submit(counting_job(2, 50'000));
    REQUIRE(world.comes_to(id, JobState::kFinished));
    REQUIRE(world.has_all_slots_back());
    SECTION("and the same slots run the next job") {
        const JobId next = world.must_submit(counting_job(2, 1000));
        REQUIRE(world.comes_to(next, JobState::kFinished));
    }
}

TEST_CASE("TaskManager reports what the tasks of a running job do", "[taskmanager]") {
    ClusterWorld world;
    const JobId id = world.must_submit(counting_job(1, 0));
    REQUIRE(world.comes_to(id, JobState::kRunning));
    const auto records_in = [&] {
        return world.ask(id, [](const JobEntry& entry) {
            const auto found = entry.reports.find({0, 0});
            return found == entry.reports.end() ? 0 : found->second.records_in();
        });
    };
    REQUIRE(support::eventually([&] { return records_in() > 10'000; }));
    REQUIRE(world.on_loop([&] { return world.jobmanager->cancel(id); }));
    REQUIRE(world.comes_to(id, JobState::kCanceled));
    REQUIRE(world.has_all_slots_back());
}

TEST_CASE("TaskManager's reports read the tasks' own metrics and no others", "[taskmanager]") {
    ClusterWorld world;
    const JobId id = world.must_submit(counting_job(2, 1000));
    std::atomic<int> asked{0};
    // As a task's own would look to whoever goes by names and labels.
    metrics::MetricGroup strange(world.registry, {{"task_id", "1"}, {"subtask_index", "0"}});
    strange.gauge_of("flink_taskmanager_job_task_numRecordsIn", "N.", [&] {
        ++asked;
        return 1e9;
    });
    REQUIRE(world.comes_to(id, JobState::kFinished));
    REQUIRE(world.has_all_slots_back());
    const std::uint64_t rows = world.ask(id, [](const JobEntry& entry) {
        std::uint64_t sum = 0;
        for (const auto& [subtask, report] : entry.reports) sum += report.records_in();
        return sum;
    });
    CHECK(rows == 1000);
    CHECK(asked == 0);
}

// Learns one model of 2^bits cells of 16 bytes.
proto::Job learning_job(int bits) {
    proto::Job job = graph::job_from(R"pb(
        name: "learn"
        runtime {
          restart {
            backoff { min_ms: 1 max_ms: 2 }
            give_up_after: 1
          }
        }
        sources {
          name: "rows"
          parallelism: 1
          generate { preset: PRESET_CTR seed: 1 limit_rows: 5000 }
        }
        features {
          name: "f"
          seed: 1
          list_items: 64
          columns { name: "f3" from: "f3" as: COLUMN_KIND_HASHED }
        }
        models {
          name: "m"
          task: TASK_BINARY
          features: "f"
          learner { ftrl { alpha: 0.1 beta: 1 l1: 0 l2: 0 } }
        }
        steps {
          name: "learn"
          from: "rows"
          parallelism: 1
          train { models: "m" label: "label" publish_every_ms: 10 }
        })pb");
    job.mutable_features(0)->set_bits(bits);
    return job;
}

TEST_CASE("TaskManager tells why a task failed, also where that quotes what is not UTF-8",
          "[taskmanager]") {
    ClusterWorld world;
    const support::TempDir dir;
    const std::string path = dir.write("rows.csv", "caf\xe9,caf\xe9\n");
    proto::Job job = counting_job(1, 0);
    proto::Source& source = *job.mutable_sources(0);
    source.mutable_file()->set_path(path);
    source.set_format(proto::FORMAT_CSV);
    source.set_header(true);
    source.set_max_record_bytes(1 << 20);
    source.set_schema("words");
    proto::Schema& schema = *job.add_schemas();
    schema.set_name("words");
    proto::SchemaField& field = *schema.add_fields();
    field.set_name("word");
    field.mutable_type()->set_element(proto::SCALAR_TYPE_STRING);
    const JobId id = world.must_submit(job);
    REQUIRE(world.comes_to(id, JobState::kFailed));
    const std::string cause = world.ask(
        id, [](const JobEntry& entry) { return entry.master.failures().front().cause.message; });
    REQUIRE_THAT(cause, Contains("names a field twice: `caf\xef\xbf\xbd`"));
}

TEST_CASE("TaskManager learns every row of a job's input", "[taskmanager]") {
    ClusterWorld world;
    const JobId id = world.must_submit(learning_job(10));
    REQUIRE(world.comes_to(id, JobState::kFinished));
    REQUIRE(world.has_all_slots_back());
}

TEST_CASE("TaskManager refuses a model that does not fit, with the key to raise, and is free again",
          "[taskmanager]") {
    ClusterWorld world;
    const JobId id = world.must_submit(learning_job(30));
    REQUIRE(world.comes_to(id, JobState::kFailed));
    const std::string cause = world.ask(
        id, [](const JobEntry& entry) { return entry.master.failures().back().cause.message; });
    REQUIRE_THAT(cause, Contains("taskmanager.memory"));
    REQUIRE(world.has_all_slots_back());
    REQUIRE(world.comes_to(world.must_submit(learning_job(10)), JobState::kFinished));
}

TEST_CASE("TaskManager ends its tasks when the JobManager is gone, and registers with the next",
          "[taskmanager]") {
    ClusterWorld world;
    const JobId id = world.must_submit(counting_job(1, 0));
    REQUIRE(world.comes_to(id, JobState::kRunning));
    world.on_loop_do([&] {
        jobmanager::JobManager::Options options = jobmanager::JobManagerWorld::default_options();
        options.address.port = world.port;
        options.epoch = LeaderEpoch{8};
        world.jobmanager.reset();
        world.jobmanager.emplace(
            world.loop, world.shifted, world.registry, world.directory, world.capacity,
            [](const std::function<void()>& work) {
                work();
                return Status();
            },
            std::move(options));
        REQUIRE(world.jobmanager->start());
    });
    REQUIRE(world.has_all_slots_back());
    const JobId again = world.must_submit(counting_job(2, 1000));
    REQUIRE(world.comes_to(again, JobState::kFinished));
}

// Takes connections and heartbeats as a JobManager would, and says nothing that a case does not
// want.
struct SilentServer : net::NetWorld {
    explicit SilentServer(bool registers) {
        net::ControlCallbacks callbacks{
            .on_open = [this](const net::ControlHandle&) { ++connections; },
            .on_message =
                [this, registers](const net::ControlHandle& connection, std::uint16_t,
                                  std::string_view payload) {
                    proto::ControlMessage message;
                    MILLRACE_CHECK(net::decode_message(payload, message).has_value());
                    if (message.has_heartbeat()) ++heartbeats;
                    if (!message.has_register_taskmanager() || !registers) return;
                    proto::ControlMessage answer;
                    answer.mutable_registered()->set_leader_epoch(1);
                    answer.mutable_registered()->set_heartbeat_interval_ms(5);
                    answer.mutable_registered()->set_heartbeat_timeout_ms(50);
                    (void)net::send_message(*connection, answer);
                },
            .on_closed =
                [this](const net::ControlHandle&, const Error&) {
                    heartbeats_of_first =
                        ends == 0 ? heartbeats.load() : heartbeats_of_first.load();
                    ++ends;
                }};
        on_loop_do([&] {
            server.emplace(loop, clock, metrics,
                           net::ControlServer::Options{.self = {.role = net::Role::kJobManager,
                                                                .leader_epoch = LeaderEpoch{1},
                                                                .cluster = "millrace",
                                                                .process_id = "jobmanager"},
                                                       .messages = net::control_message_rules()},
                           std::move(callbacks));
            REQUIRE(server->listen({"127.0.0.1", 0}));
        });
    }
    ~SilentServer() {
        on_loop_do([&] { server.reset(); });
    }

    std::atomic<int> connections{0};
    std::atomic<int> heartbeats{0};
    std::atomic<int> heartbeats_of_first{0};  // Of the first connection.
    std::atomic<int> ends{0};
    std::optional<net::ControlServer> server;
};

TEST_CASE("TaskManager leaves a JobManager that is connected and does not answer",
          "[taskmanager]") {
    const bool registers = GENERATE(true, false);
    CAPTURE(registers);
    SilentServer silent(registers);
    auto budget = memory::MemoryBudget::derive(
        std::vector<memory::Setting>{{.key = "taskmanager.memory.process.size", .value = "512m"}},
        {});
    REQUIRE(budget);
    std::optional<TaskManager> taskmanager;
    silent.on_loop_do([&] {
        taskmanager.emplace(
            silent.loop, silent.clock, silent.registry, operators::builtin_operators(),
            TaskManager::Options{
                .jobmanager = {"127.0.0.1", silent.server->port()},
                .id = "tm-1",
                .memory = std::move(*budget),
                .reconnect_min = std::chrono::milliseconds(5),
                .reconnect_max = std::chrono::milliseconds(5),
                .heartbeat_interval = std::chrono::milliseconds(5),
                .heartbeat_timeout = std::chrono::milliseconds(registers ? 60'000 : 50)});
        REQUIRE(taskmanager->start());
    });
    // It comes again each time.
    CHECK(support::eventually([&] { return silent.ends >= 2 && silent.connections >= 3; }));
    // 50 ms are ten intervals.
    CHECK(silent.heartbeats_of_first == (registers ? 10 : 0));
    silent.on_loop_do([&] { taskmanager.reset(); });
}

TEST_CASE("TaskManager stays with a JobManager that answers its heartbeats", "[taskmanager]") {
    ClusterWorld world;
    const auto heard = [&] {
        return world.on_loop([&] {
            const auto& all = world.jobmanager->taskmanagers().all();
            return all.contains("tm-1") ? all.at("tm-1").heard_wall_ms : 0;
        });
    };
    // The world's time-out is 30,000 intervals: what counts here is that no beat goes unanswered.
    const std::int64_t first_ms = heard();
    REQUIRE(first_ms > 0);
    REQUIRE(support::eventually([&] { return heard() - first_ms > 5 * 20; }));
    REQUIRE(world.on_loop([&] { return world.taskmanager->beats_unanswered(); }) <= 1);
}

}  // namespace
}  // namespace millrace::taskmanager
