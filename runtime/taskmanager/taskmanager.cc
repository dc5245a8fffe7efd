#include "runtime/taskmanager/taskmanager.h"

#include <algorithm>

#include <unistd.h>

#include "memory/system_memory.h"
#include "runtime/base/check.h"
#include "runtime/base/log.h"
#include "runtime/net/control_message.h"
#include "runtime/taskmanager/heartbeat_size.h"

namespace millrace::taskmanager {
namespace {

// 0 when it is not known.
std::uint64_t resident_bytes() { return memory::resident_bytes(memory::SystemFiles{}).value_or(0); }

}  // namespace

TaskManager::TaskManager(net::EventLoop& loop, const Clock& clock, metrics::Registry& metrics,
                         const operators::Registry& operators, Options options)
    : loop_(loop),
      clock_(clock),
      registry_(metrics),
      operators_(operators),
      options_(std::move(options)),
      metrics_(metrics, {{"tm_id", options_.id}}),
      reconnect_wait_(options_.reconnect_min),
      heartbeat_interval_(options_.heartbeat_interval),
      heartbeat_timeout_(options_.heartbeat_timeout) {
    net::ControlCallbacks callbacks{
        .on_open = [this](const net::ControlHandle& connection) { on_open(connection); },
        .on_message = [this](const net::ControlHandle&, std::uint16_t,
                             std::string_view payload) { on_message(payload); },
        .on_closed = [this](const net::ControlHandle&, const Error& reason) { on_closed(reason); }};
    control_ = std::make_unique<net::ControlClient>(
        loop_, clock_, metrics_,
        net::ControlClient::Options{.messages = net::control_message_rules()},
        std::move(callbacks));
    metrics_.gauge_of("millrace_memory_resident_bytes", "Resident set of the process.",
                      [] { return static_cast<double>(resident_bytes()); });
    metrics_.gauge_of("millrace_memory_process_budget_bytes", "Configured size of the process.",
                      [this] { return static_cast<double>(options_.memory.process.bytes); });
}

TaskManager::~TaskManager() { stop(); }

Status TaskManager::start() {
    const memory::MemoryBudget& budget = options_.memory;
    MILLRACE_TRY_ASSIGN(memory_, memory::MemoryManager::create({.bytes = budget.managed.bytes,
                                                                .page_bytes = budget.segment_bytes,
                                                                .slot_count = budget.slot_count,
                                                                .huge_pages = budget.huge_pages,
                                                                .prefault = budget.prefault}));
    MILLRACE_TRY_ASSIGN(network_buffers_,
                        memory::NetworkBufferPool::create({.buffers = budget.network_buffers(),
                                                           .buffer_bytes = budget.segment_bytes,
                                                           .prefault = budget.prefault}));
    task_region_ = std::make_unique<memory::RegionBudget>("task region", budget.task.bytes,
                                                          "taskmanager.memory.process.size");
    memory_metrics_ = std::make_unique<MemoryMetrics>(registry_, options_.id, budget, *memory_,
                                                      *network_buffers_, *task_region_);
    network_ = std::make_unique<net::EventLoopThread>("millrace-net");
    data_plane_ = std::make_unique<net::DataPlane>(
        network_->loop(), clock_, metrics_,
        net::DataPlane::Options{
            .cluster = options_.cluster, .process_id = options_.id, .scope = options_.scope});
    MILLRACE_TRY(data_plane_->listen(options_.data));
    workers_ = std::make_unique<task::WorkerPool>(clock_, options_.workers);
    workers_->start();
    blocking_ = std::make_unique<task::BlockingPool>(task::BlockingPool::Limits{});
    blocking_->start();
    questions_ = std::make_unique<task::BlockingPool>(task::BlockingPool::Limits{});
    questions_->start();
    connect();
    return {};
}

void TaskManager::stop() {
    if (is_stopping_) return;
    is_stopping_ = true;
    loop_.cancel(timer_);
    loop_.cancel(heartbeat_timer_);
    control_->stop(Error{Code::kCancelled, "the TaskManager stops"});
    if (workers_ == nullptr) return;
    for (const auto& [id, attempt] : attempts_) attempt->cancel();
    workers_->stop();
    blocking_->stop();
    for (auto& [id, attempt] : attempts_) attempt->finish_closing();
    attempts_.clear();
    // Last: the attempts have abandoned what nobody waits for any more.
    questions_->stop();
    data_plane_.reset();
    network_.reset();
}

// ------------------------------------------------------------------------------- JobManager

void TaskManager::connect() {
    const net::Hello hello{.role = net::Role::kTaskManager,
                           .leader_epoch = epoch_,
                           .cluster = options_.cluster,
                           .process_id = options_.id};
    control_->connect(options_.jobmanager, hello, std::chrono::seconds(10),
                      [this](const Error& cause) { retry(cause); });
}

void TaskManager::retry(const Error& cause) {
    if (is_stopping_) return;
    if (cause.message != last_trouble_) {
        last_trouble_ = cause.message;
        log::warn("not registered with the JobManager at {}; trying again: {}",
                  options_.jobmanager.to_string(), cause.message);
    }
    timer_ = loop_.post_after(reconnect_wait_, [this] { connect(); });
    reconnect_wait_ = std::min(reconnect_wait_ * 2, options_.reconnect_max);
}

void TaskManager::on_open(const net::ControlHandle& connection) {
    connection_ = connection;
    send(registration());
    beats_unanswered_ = 0;
    beat();
}

void TaskManager::on_closed(const Error& reason) {
    connection_.reset();
    is_registered_ = false;
    loop_.cancel(heartbeat_timer_);
    if (is_stopping_) return;
    // The JobManager has taken these tasks for lost, and starts them elsewhere.
    if (!attempts_.empty())
        log::warn("the JobManager is gone ({}); cancelling all tasks", reason.message);
    for (const auto& [id, attempt] : attempts_) attempt->cancel();
    if (attempts_.empty()) retry(reason);
}

proto::ControlMessage TaskManager::registration() const {
    proto::ControlMessage message;
    proto::RegisterTaskManager& me = *message.mutable_register_taskmanager();
    me.set_taskmanager_id(options_.id);
    me.set_data_address(net::Address{options_.data.host, data_plane_->port()}.to_string());
    me.set_version(options_.version);
    me.set_slots(static_cast<int>(memory_->slot_count()));
    me.set_process_bytes(static_cast<std::int64_t>(options_.memory.process.bytes));
    me.set_network_buffers(static_cast<int>(options_.memory.network_buffers()));
    me.set_cpu_cores(static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN)));
    me.set_physical_memory_bytes(static_cast<std::int64_t>(memory::physical_bytes().value_or(0)));
    me.set_slot_bytes(static_cast<std::int64_t>(options_.memory.slot_bytes()));
    me.set_segment_bytes(static_cast<std::int64_t>(options_.memory.segment_bytes));
    const memory::BufferSettings& buffers = options_.memory.buffers;
    proto::NetworkSettings& network = *me.mutable_network();
    network.set_buffers_per_channel(buffers.buffers_per_channel);
    network.set_floating_buffers_per_gate(buffers.floating_buffers_per_gate);
    network.set_max_buffers_per_channel(buffers.max_buffers_per_channel);
    network.set_required_per_gate_max(buffers.required_per_gate_max);
    fill_memory(*me.mutable_memory());
    return message;
}

void TaskManager::fill_memory(
    google::protobuf::RepeatedPtrField<proto::MemoryRegion>& regions) const {
    const memory::MemoryBudget& budget = options_.memory;
    const auto add = [&](std::string_view name, std::uint64_t bytes, std::uint64_t used,
                         std::uint64_t reserved) {
        proto::MemoryRegion& region = *regions.Add();
        region.set_name(std::string(name));
        region.set_bytes(static_cast<std::int64_t>(bytes));
        region.set_used_bytes(static_cast<std::int64_t>(used));
        region.set_reserved_bytes(static_cast<std::int64_t>(reserved));
    };
    const memory::MemoryReport managed = memory_->report();
    // What slots gave to an account is nobody else's, whether it is in pages or not.
    std::uint64_t promised = 0;
    for (const memory::BudgetUse& slot : managed.slots)
        promised += slot.bytes_in_use + slot.bytes_in_accounts;
    const std::uint64_t task = task_region_->bytes_in_use();
    const auto buffers = [&](std::uint64_t count) { return count * budget.segment_bytes; };
    add("framework", budget.framework.bytes, 0, 0);
    add("task", budget.task.bytes, task, task);
    add("managed", budget.managed.bytes, managed.managed.bytes_in_pages, promised);
    add("network", budget.network.bytes, buffers(network_buffers_->in_use()),
        buffers(network_buffers_->required()));
    add("overhead", budget.overhead.bytes, 0, 0);
}

void TaskManager::fill_pools(proto::Heartbeat& heartbeat) const {
    const memory::MemoryReport report = memory_->report();
    const auto add = [&](const memory::BudgetUse& use) {
        proto::MemoryPoolReport& pool = *heartbeat.add_pools();
        pool.set_name(use.name);
        pool.set_bytes(static_cast<std::int64_t>(use.bytes_limit));
        pool.set_reserved_bytes(static_cast<std::int64_t>(use.bytes_in_use));
        pool.set_used_bytes(static_cast<std::int64_t>(use.bytes_in_pages));
        pool.set_account_bytes(static_cast<std::int64_t>(use.bytes_in_accounts));
    };
    for (const memory::BudgetUse& slot : report.slots) {
        if (slot.bytes_in_use > 0 || slot.bytes_in_accounts > 0) add(slot);
    }
    for (const memory::BudgetUse& account : report.accounts) add(account);
}

void TaskManager::send(const proto::ControlMessage& message) {
    if (connection_ != nullptr) net::send_or_close(*connection_, message);
}

void TaskManager::on_message(std::string_view payload) {
    proto::ControlMessage message;
    if (const Status decoded = net::decode_message(payload, message); !decoded) {
        connection_->close(decoded.error());
        return;
    }
    beats_unanswered_ = 0;
    if (message.has_registered()) {
        take_registered(message.registered());
    } else if (message.has_registration_refused()) {
        take_refusal(message.registration_refused());
    } else if (message.has_deploy_tasks()) {
        deploy(message.deploy_tasks());
    } else if (message.has_start_tasks()) {
        const proto::StartTasks& start = message.start_tasks();
        if (JobAttempt* attempt = attempt_of(start.job_id(), start.attempt())) attempt->start();
    } else if (message.has_add_splits()) {
        add_splits(message.add_splits());
    } else if (message.has_cancel_tasks()) {
        const proto::CancelTasks& cancel = message.cancel_tasks();
        if (JobAttempt* attempt = attempt_of(cancel.job_id(), cancel.attempt())) {
            attempt->cancel();
        } else {
            close_attempt(cancel.job_id(), cancel.attempt(), "");
        }
    }
}

JobAttempt* TaskManager::attempt_of(const std::string& job_id, std::uint32_t attempt) {
    const auto found = attempts_.find(job_id);
    if (found == attempts_.end() || found->second->attempt() != Attempt{attempt}) return nullptr;
    return found->second.get();
}

void TaskManager::take_registered(const proto::Registered& message) {
    epoch_ = LeaderEpoch{message.leader_epoch()};
    data_plane_->set_leader_epoch(epoch_);
    const auto at_least_1_ms = [](std::int64_t ms) {
        return std::chrono::milliseconds(std::max<std::int64_t>(ms, 1));
    };
    heartbeat_interval_ = at_least_1_ms(message.heartbeat_interval_ms());
    heartbeat_timeout_ = at_least_1_ms(message.heartbeat_timeout_ms());
    is_registered_ = true;
    reconnect_wait_ = options_.reconnect_min;
    last_trouble_.clear();
    log::info("registered with the JobManager at {}", options_.jobmanager.to_string());
    loop_.cancel(heartbeat_timer_);
    beat();
}

void TaskManager::take_refusal(const proto::RegistrationRefused& message) {
    connection_->close(
        Error{Code::kUnavailable, "it refuses this TaskManager: " + message.error()});
}

void TaskManager::beat() {
    if (beats_unanswered_ * heartbeat_interval_ >= heartbeat_timeout_) {
        connection_->close(Error{Code::kDeadlineExceeded,
                                 fmt::format("it has not answered for {} ms",
                                             heartbeat_timeout_ / std::chrono::milliseconds(1))});
        return;
    }
    ++beats_unanswered_;
    if (is_registered_) send_report();
    heartbeat_timer_ = loop_.post_after(heartbeat_interval_, [this] { beat(); });
}

void TaskManager::send_report() {
    proto::ControlMessage message;
    proto::Heartbeat& heartbeat = *message.mutable_heartbeat();
    heartbeat.set_resident_bytes(static_cast<std::int64_t>(resident_bytes()));
    heartbeat.set_network_buffers_used(static_cast<int>(network_buffers_->in_use()));
    heartbeat.set_network_buffers_required(static_cast<int>(network_buffers_->required()));
    fill_memory(*heartbeat.mutable_memory());
    fill_pools(heartbeat);
    for (const auto& [id, attempt] : attempts_) attempt->report(heartbeat);
    leave_out_what_does_not_fit(heartbeat, net::kControlContentBytesMax);
    send(message);
}

// ------------------------------------------------------------------------------------- jobs

void TaskManager::deploy(const proto::DeployTasks& message) {
    proto::ControlMessage answer;
    proto::Deployed& deployed = *answer.mutable_deployed();
    deployed.set_job_id(message.job_id());
    deployed.set_attempt(message.attempt());
    const TaskManagerMeans means{.loop = loop_,
                                 .clock = clock_,
                                 .metrics = registry_,
                                 .operators = operators_,
                                 .memory = *memory_,
                                 .network_buffers = *network_buffers_,
                                 .buffers = options_.memory.buffers,
                                 .task_region = *task_region_,
                                 .network = network_->loop(),
                                 .data_plane = *data_plane_,
                                 .workers = *workers_,
                                 .blocking = *blocking_,
                                 .questions = *questions_};
    JobAttempt::Callbacks callbacks{
        .on_task_ended =
            [this, id = message.job_id(), number = message.attempt()](
                std::uint32_t vertex, std::uint32_t subtask, proto::TaskState state,
                const Error* error) {
                proto::ControlMessage changed;
                proto::TaskStateChanged& task = *changed.mutable_task_state_changed();
                task.set_job_id(id);
                task.set_attempt(number);
                task.set_vertex(vertex);
                task.set_subtask(subtask);
                task.set_state(state);
                if (error != nullptr) {
                    task.set_error_code(std::string(to_string(error->code)));
                    task.set_error(net::message_text(error->message));
                }
                send(changed);
            },
        .on_last_report = [this] { send_report(); },
        .on_closed = [this, id = message.job_id(), number = message.attempt()](
                         const std::string& leak) { close_attempt(id, number, leak); }};
    Status built = fail(Code::kUnavailable, "an older attempt of this job has not ended here yet");
    if (!attempts_.contains(message.job_id())) {
        auto attempt = std::make_unique<JobAttempt>(means, std::move(callbacks));
        built = attempt->build(message);
        if (built) attempts_.emplace(message.job_id(), std::move(attempt));
    }
    if (!built) {
        deployed.set_error_code(std::string(to_string(built.error().code)));
        deployed.set_error(net::message_text(built.error().message));
        log::warn("deploying job {} failed: {}", message.job_id(), built.error().message);
    }
    send(answer);
}

void TaskManager::add_splits(const proto::AddSplits& message) {
    JobAttempt* attempt = attempt_of(message.job_id(), message.attempt());
    if (attempt == nullptr) return;
    const Status added = attempt->add_splits(message);
    if (!added) log::warn("new partitions were not taken: {}", added.error().message);
}

void TaskManager::close_attempt(const std::string& job_id, std::uint32_t attempt,
                                const std::string& leak) {
    if (!leak.empty()) log::error("memory did not come back from job {}: {}", job_id, leak);
    if (attempt_of(job_id, attempt) != nullptr) attempts_.erase(job_id);
    proto::ControlMessage message;
    proto::AttemptClosed& closed = *message.mutable_attempt_closed();
    closed.set_job_id(job_id);
    closed.set_attempt(attempt);
    closed.set_leak(net::message_text(leak));
    send(message);
    const bool waits_to_register = connection_ == nullptr && attempts_.empty() && !is_stopping_;
    if (waits_to_register) retry(Error{Code::kUnavailable, "the connection was lost"});
}

}  // namespace millrace::taskmanager
