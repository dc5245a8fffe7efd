#include "tests/jobmanager/jobmanager_world.h"

#include "runtime/base/check.h"

namespace millrace::jobmanager {

using std::chrono::milliseconds;
using std::chrono::seconds;

proto::SplitAssignment split_named(const std::string& name, std::int64_t start_ordinal) {
    proto::SplitAssignment split;
    split.set_name(name);
    split.set_start_ordinal(start_ordinal);
    return split;
}

proto::Job copy_job(const std::string& name, int parallelism) {
    proto::Job job = graph::job_from(R"pb(
        runtime {
          restart {
            backoff { min_ms: 1 max_ms: 2 }
            give_up_after: 3
          }
        }
        sources {
          name: "rows"
          kafka { topic: "rows" }
        }
        sinks {
          name: "out"
          from: "rows"
          discard {}
        })pb");
    job.set_name(name);
    job.mutable_sources(0)->set_parallelism(parallelism);
    return job;
}

Result<CapacityClaim> FakeCapacity::claim(const proto::Job&, const graph::JobGraph&,
                                          std::span<const graph::Placement> placements,
                                          std::uint32_t self, const proto::RegisterTaskManager&,
                                          const CapacityClaim& taken) const {
    CapacityClaim claim;
    for (const graph::Placement& p : placements) {
        if (p.taskmanager == self) claim += per_subtask;
    }
    if (taken.network_buffers + claim.network_buffers > all.network_buffers ||
        taken.task_bytes + claim.task_bytes > all.task_bytes)
        return fail(Code::kResourceExhausted, "no room beside {} buffers", taken.network_buffers);
    return claim;
}

JobManager::Options JobManagerWorld::default_options() {
    JobManager::Options options;
    options.address = {"127.0.0.1", 0};
    options.epoch = LeaderEpoch{7};
    options.version = "1.2.3";
    options.heartbeat_interval = milliseconds(20);
    options.heartbeat_timeout = seconds(600);
    return options;
}

JobManagerWorld::JobManagerWorld(JobManager::Options options) {
    directory.splits = {split_named("rows/0"), split_named("rows/1"), split_named("rows/2")};
    on_loop_do([&] {
        jobmanager.emplace(
            loop, shifted, registry, directory, capacity,
            [](const std::function<void()>& work) {
                work();
                return Status();
            },
            std::move(options));
        REQUIRE(jobmanager->start());
        port = jobmanager->port();
    });
}

JobManagerWorld::~JobManagerWorld() {
    on_loop_do([&] { jobmanager.reset(); });
}

JobManager::Submitted JobManagerWorld::submit(proto::Job job) {
    net::Mailbox<JobManager::Submitted> answer;
    const auto put = [&](JobManager::Submitted submitted) { answer.put(std::move(submitted)); };
    on_loop_do([&] { jobmanager->submit(std::move(job), "the text", put); });
    return answer.take();
}

JobId JobManagerWorld::must_submit(proto::Job job) {
    const auto submitted = submit(std::move(job));
    REQUIRE(submitted);
    return *submitted;
}

JobState JobManagerWorld::state_of(JobId id) {
    return ask(id, [](const JobEntry& entry) { return entry.master.state(); });
}

bool JobManagerWorld::comes_to(JobId id, JobState state) {
    return support::eventually([&] { return state_of(id) == state; });
}

std::uint32_t JobManagerWorld::slots_free() {
    return on_loop([&] { return jobmanager->taskmanagers().slots_free(); });
}

// ----------------------------------------------------------------------- TaskManagerDouble

TaskManagerDouble::TaskManagerDouble(JobManagerWorld& world, Identity identity, int slots,
                                     Expect expect)
    : world_(world),
      id_(std::move(identity.id)),
      version_(std::move(identity.version)),
      slots_(slots) {
    net::ControlCallbacks callbacks{
        .on_open =
            [this](const net::ControlHandle& connection) {
                connection_ = connection;
                (void)net::send_message(*connection, registration());
            },
        .on_message =
            [this](const net::ControlHandle&, std::uint16_t, std::string_view payload) {
                proto::ControlMessage message;
                MILLRACE_CHECK(net::decode_message(payload, message).has_value());
                if (message.has_heartbeat_seen()) {
                    ++heartbeats_seen_;
                } else {
                    received_.put(std::move(message));
                }
            },
        .on_closed = [this](const net::ControlHandle&,
                            const Error& reason) { ended_.put(reason.message); }};
    world_.on_loop_do([&] {
        client_.emplace(world_.loop, world_.clock, world_.metrics,
                        net::ControlClient::Options{.messages = net::control_message_rules()},
                        std::move(callbacks));
        client_->connect({"127.0.0.1", world_.port}, {.cluster = "millrace", .process_id = id_},
                         net::kPatience, [this](const Error& cause) { ended_.put(cause.message); });
    });
    if (expect == Expect::kRefused) return;
    const proto::ControlMessage answer = received_.take();
    REQUIRE(answer.has_registered());
    registered_ = answer.registered();
}

proto::ControlMessage TaskManagerDouble::registration() const {
    proto::ControlMessage message;
    proto::RegisterTaskManager& me = *message.mutable_register_taskmanager();
    me.set_taskmanager_id(id_);
    me.set_data_address(id_ + ".example:6124");
    me.set_slots(slots_);
    me.set_version(version_);
    me.set_process_bytes(1728 << 20);
    for (const auto& [name, bytes] : std::map<std::string, int>{
             {"framework", 64 << 20}, {"managed", 622 << 20}, {"overhead", 172 << 20}}) {
        proto::MemoryRegion& region = *me.add_memory();
        region.set_name(name);
        region.set_bytes(bytes);
    }
    me.set_cpu_cores(3);
    return message;
}

void TaskManagerDouble::send(const proto::ControlMessage& message) {
    world_.on_loop_do([&] { REQUIRE(net::send_message(*connection_, message)); });
}

void TaskManagerDouble::send_deployed(const proto::DeployTasks& deploy,
                                      const std::string& error_code, const std::string& error) {
    proto::ControlMessage message;
    proto::Deployed& deployed = *message.mutable_deployed();
    deployed.set_job_id(deploy.job_id());
    deployed.set_attempt(deploy.attempt());
    deployed.set_error_code(error_code);
    deployed.set_error(error);
    send(message);
}

void TaskManagerDouble::send_state(const proto::DeployTasks& deploy, std::uint32_t subtask,
                                   proto::TaskState state, const std::string& error_code,
                                   const std::string& error) {
    proto::ControlMessage message;
    proto::TaskStateChanged& changed = *message.mutable_task_state_changed();
    changed.set_job_id(deploy.job_id());
    changed.set_attempt(deploy.attempt());
    changed.set_subtask(subtask);
    changed.set_state(state);
    changed.set_error_code(error_code);
    changed.set_error(error);
    send(message);
}

void TaskManagerDouble::send_closed(const std::string& job_id, std::uint32_t attempt) {
    proto::ControlMessage message;
    message.mutable_attempt_closed()->set_job_id(job_id);
    message.mutable_attempt_closed()->set_attempt(attempt);
    send(message);
}

void TaskManagerDouble::disconnect() {
    world_.on_loop_do([&] {
        connection_.reset();
        client_.reset();
    });
}

proto::RegistrationRefused TaskManagerDouble::take_refusal() {
    const proto::ControlMessage message = received_.take();
    REQUIRE(message.has_registration_refused());
    return message.registration_refused();
}

proto::DeployTasks TaskManagerDouble::take_deploy() {
    const proto::ControlMessage message = received_.take();
    REQUIRE(message.has_deploy_tasks());
    return message.deploy_tasks();
}

proto::StartTasks TaskManagerDouble::take_start() {
    const proto::ControlMessage message = received_.take();
    REQUIRE(message.has_start_tasks());
    return message.start_tasks();
}

proto::CancelTasks TaskManagerDouble::take_cancel() {
    const proto::ControlMessage message = received_.take();
    REQUIRE(message.has_cancel_tasks());
    return message.cancel_tasks();
}

proto::AddSplits TaskManagerDouble::take_splits() {
    const proto::ControlMessage message = received_.take();
    REQUIRE(message.has_add_splits());
    return message.add_splits();
}

proto::DeployTasks TaskManagerDouble::run_next() {
    proto::DeployTasks deploy = take_deploy();
    send_deployed(deploy);
    take_start();
    return deploy;
}

}  // namespace millrace::jobmanager
