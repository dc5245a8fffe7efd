#include "runtime/taskmanager/job_attempt.h"

#include <algorithm>
#include <set>

#include "operators/kafka/kafka_settings.h"
#include "operators/learning/model_plan.h"
#include "operators/learning/shared_model.h"
#include "runtime/base/check.h"
#include "runtime/base/log.h"
#include "runtime/taskmanager/attempt_task.h"
#include "runtime/taskmanager/line_feed.h"
#include "runtime/taskmanager/order_plan.h"

namespace millrace::taskmanager {
namespace {

std::vector<operators::KafkaConnection> connections_of(const proto::DeployTasks& message) {
    std::vector<operators::KafkaConnection> made;
    for (const proto::KafkaConnection& connection : message.kafka()) {
        operators::KafkaConnection one{.name = connection.name(), .brokers = "", .properties = {}};
        for (const auto& [key, value] : connection.properties()) {
            if (key == "bootstrap.servers") {
                one.brokers = value;
            } else {
                one.properties.emplace_back(key, value);
            }
        }
        made.push_back(std::move(one));
    }
    return made;
}

Result<std::vector<net::Address>> addresses_of(const proto::DeployTasks& message) {
    std::vector<net::Address> made;
    for (const proto::TaskManagerAddress& taskmanager : message.taskmanagers()) {
        MILLRACE_TRY_ASSIGN(auto address, net::parse_address(taskmanager.data_address()));
        made.push_back(std::move(address));
    }
    return made;
}

std::size_t split_count(const proto::DeployTasks& message) {
    std::size_t count = 0;
    for (const proto::SourceSplits& part : message.splits())
        count += static_cast<std::size_t>(part.splits_size());
    return count;
}

RunBlocking submit_to(task::BlockingPool& pool) {
    return [&pool](std::function<void()> work) { return pool.submit(std::move(work)); };
}

}  // namespace

JobAttempt::JobAttempt(TaskManagerMeans means, Callbacks callbacks)
    : means_(means), callbacks_(std::move(callbacks)), slow_work_(means_.blocking) {}

JobAttempt::~JobAttempt() {
    MILLRACE_CHECK(tasks_.empty());
    MILLRACE_CHECK(accounts_.empty());
}

Status JobAttempt::build(const proto::DeployTasks& message) {
    job_id_ = message.job_id();
    attempt_ = Attempt{message.attempt()};
    self_ = message.self();
    if (!job_.ParseFromString(message.job()))
        return fail(Code::kCorruption, "the job's description is unreadable");
    MILLRACE_TRY_ASSIGN(graph_, graph::plan(job_));
    MILLRACE_TRY_ASSIGN(schemas_, resolve_schemas(job_, graph_, means_.operators));
    for (const proto::PlacedSubtask& placed : message.placements()) {
        placements_.push_back({.vertex = placed.vertex(),
                               .subtask = placed.subtask(),
                               .taskmanager = placed.taskmanager(),
                               .slot = placed.slot()});
    }
    Status built = sum_needs();
    if (built) built = build_resources(message);
    if (built) built = build_models(message);
    if (built) built = build_tasks(message);
    if (built) return {};
    const std::string leak = tear_down();
    MILLRACE_CHECK(leak.empty());
    return built;
}

std::vector<memory::SlotMemory*> JobAttempt::own_slots() const {
    std::set<std::uint32_t> numbers;
    for (const graph::Placement& p : placements_) {
        if (p.taskmanager == self_) numbers.insert(p.slot);
    }
    std::vector<memory::SlotMemory*> slots;
    slots.reserve(numbers.size());
    for (const std::uint32_t number : numbers) slots.push_back(&means_.memory.slot(number));
    return slots;
}

// Slots belong to one job at a time, so the own ones are free.
Capacity JobAttempt::capacity() const {
    Capacity capacity{
        .page_bytes = means_.memory.page_bytes(),
        .buffers = means_.network_buffers.buffers(),
        .buffers_free = means_.network_buffers.buffers() - means_.network_buffers.required(),
        .task_bytes = means_.task_region.bytes_limit(),
        .task_bytes_free = means_.task_region.bytes_free(),
        .buffer_settings = means_.buffers};
    for (const memory::SlotMemory* slot : own_slots()) {
        const std::size_t bytes = slot->bytes_free();
        capacity.slot_bytes =
            capacity.slot_bytes == 0 ? bytes : std::min(capacity.slot_bytes, bytes);
    }
    return capacity;
}

Status JobAttempt::sum_needs() {
    const Capacity here = capacity();
    MILLRACE_TRY_ASSIGN(need_, need_of(job_, graph_, placements_, self_, here));
    return check_fit(need_, here);
}

Status JobAttempt::build_resources(const proto::DeployTasks& message) {
    // Forgets the owners of jobs that are gone; those that still hold bytes are kept.
    (void)means_.task_region.close();
    MILLRACE_TRY_ASSIGN(const memory::OwnerId owner,
                        means_.task_region.owner({.job = job_.name(),
                                                  .operator_name = "kafka",
                                                  .subtask = 0,
                                                  .purpose = memory::Purpose::kQueue}));
    MILLRACE_TRY_ASSIGN(kafka_queues_, means_.task_region.reserve(owner, need_.kafka_bytes()));
    resources_ = std::make_unique<operators::JobResources>(
        operators::JobResources::Environment{.clock = means_.clock,
                                             .metrics = means_.metrics,
                                             .kafka_memory = need_.kafka,
                                             .run_blocking = slow_work_.entry(),
                                             .ask_brokers = submit_to(means_.questions),
                                             .connect_lines = line_connector(means_.network),
                                             .split_count = split_count(message)},
        connections_of(message));
    return {};
}

Status JobAttempt::build_models(const proto::DeployTasks& message) {
    for (const ModelNeed& model : need_.models) {
        if (Status built = build_model(model.name, message); !built) {
            return std::unexpected(std::move(built).error().with_context("model " + model.name));
        }
    }
    return {};
}

Status JobAttempt::build_model(const std::string& name, const proto::DeployTasks& message) {
    MILLRACE_TRY_ASSIGN(auto options, operators::shared_model_options(job_, name));
    if (options.order) {
        options.order->feed_owners = feed_owners(job_, graph_, name);
        options.order->splits = ordered_splits(job_, graph_, name, message.splits());
    }
    const std::size_t bytes = operators::SharedModel::account_bytes(options);
    const std::vector<memory::SlotMemory*> slots = own_slots();
    MILLRACE_TRY_ASSIGN(memory::Account * account,
                        means_.memory.open_account(job_.name() + "/" + name, slots, bytes));
    accounts_.push_back(account);
    MILLRACE_TRY_ASSIGN(auto model,
                        operators::SharedModel::make(std::move(options), *account, means_.clock,
                                                     means_.metrics, job_.name()));
    resources_->add_model(std::move(model));
    return {};
}

Status JobAttempt::build_tasks(const proto::DeployTasks& message) {
    bad_records_ = std::make_unique<SharedBadRecords>(
        job_.name(), job_.runtime().on_bad_record().stop_if_over());
    MILLRACE_TRY_ASSIGN(auto job, parse_id<JobIdTag>(job_id_));
    MILLRACE_TRY_ASSIGN(auto addresses, addresses_of(message));
    means_.data_plane.set_attempt(job, attempt_);
    channels_ = std::make_unique<ChannelTable>();
    const AttemptTask::Plan plan{
        .job = job_,
        .graph = graph_,
        .schemas = schemas_,
        .operators = means_.operators,
        .channels = *channels_,
        .resources = *resources_,
        .bad_records = *bad_records_,
        .clock = means_.clock,
        .metrics = means_.metrics,
        .listener = *this,
        .attempt = attempt_,
        .taskmanager = message.taskmanagers(static_cast<int>(self_)).taskmanager_id()};
    ChannelTable::Plan channels{.graph = graph_,
                                .schemas = schemas_,
                                .placements = placements_,
                                .taskmanagers = std::move(addresses),
                                .self = self_,
                                .job = job,
                                .attempt = attempt_,
                                .window_bytes = need_.window_bytes,
                                .buffers = means_.buffers,
                                .ends = {}};
    for (const TaskNeed& task : need_.tasks) {
        const graph::Placement& p = task.placement;
        tasks_.push_back(std::make_unique<AttemptTask>(plan, p, means_.memory.slot(p.slot)));
        MILLRACE_TRY(tasks_.back()->reserve(plan, task));
        channels.ends[{p.vertex, p.subtask}] = tasks_.back()->ends();
    }
    MILLRACE_TRY(channels_->build(channels, means_.network_buffers, means_.data_plane));
    for (const auto& task : tasks_) MILLRACE_TRY(task->build(plan));
    return give_splits(message.splits());
}

Status JobAttempt::give_splits(const google::protobuf::RepeatedPtrField<proto::SourceSplits>& all) {
    for (const proto::SourceSplits& splits : all) {
        for (const auto& task : tasks_) {
            const graph::Placement& p = task->placement();
            if (p.vertex == splits.vertex() && p.subtask == splits.subtask())
                MILLRACE_TRY(task->add_splits(splits));
        }
    }
    return {};
}

Status JobAttempt::add_splits(const proto::AddSplits& message) {
    if (state_ != State::kStarted) return {};
    // Models first: rows of a split that nobody expects could be late.
    for (const auto& [name, model] : resources_->models()) {
        if (!model->is_ordered()) continue;
        for (auto& split : ordered_splits(job_, graph_, name, message.splits()))
            MILLRACE_TRY(model->add_split(std::move(split)));
    }
    return give_splits(message.splits());
}

void JobAttempt::start() {
    MILLRACE_CHECK(state_ == State::kBuilt);
    state_ = State::kStarted;
    tasks_inside_ = tasks_.size();
    for (const auto& task : tasks_) means_.workers.add(task->task());
}

void JobAttempt::cancel() {
    if (state_ == State::kBuilt) {
        close();
    } else if (state_ == State::kStarted) {
        for (const auto& task : tasks_) task->task().cancel();
    }
}

void JobAttempt::on_state(task::Task& task, task::TaskState state, const Error* cause) {
    if (!task::is_terminal(state)) return;
    std::optional<Error> error;
    if (cause != nullptr) error = *cause;
    means_.loop.post([this, alive = alive_, ended = &task, state, error = std::move(error)] {
        if (*alive) task_ended(*ended, state, error);
    });
}

Result<std::unique_ptr<state::SnapshotWriter>> JobAttempt::open_snapshot(task::Task&, std::uint64_t,
                                                                         std::string_view) {
    return fail(Code::kUnavailable, "no checkpoint storage is configured");
}

void JobAttempt::on_snapshot(task::Task&, const task::SnapshotReport&) {}

void JobAttempt::task_ended(const task::Task& task, task::TaskState state,
                            const std::optional<Error>& error) {
    const auto found = std::find_if(tasks_.begin(), tasks_.end(),
                                    [&](const auto& t) { return &t->task() == &task; });
    MILLRACE_CHECK(found != tasks_.end());
    const graph::Placement& p = (*found)->placement();
    const proto::TaskState shown = state == task::TaskState::kFinished ? proto::TASK_STATE_FINISHED
                                   : state == task::TaskState::kFailed ? proto::TASK_STATE_FAILED
                                                                       : proto::TASK_STATE_CANCELED;
    // The last figures go out before the end that they belong to.
    if (--tasks_inside_ == 0) callbacks_.on_last_report();
    callbacks_.on_task_ended(p.vertex, p.subtask, shown, error ? &*error : nullptr);
    if (tasks_inside_ == 0) close();
}

// Writes under way hold memory of the slots, so they come first. Closing a Kafka client may take
// seconds, so that happens on a thread that may block.
void JobAttempt::close() {
    state_ = State::kClosing;
    slow_work_.close([this] {
        if (!means_.blocking.submit([this] { finish(); })) finish();
    });
}

void JobAttempt::finish() {
    std::string leak = tear_down();
    means_.loop.post([this, alive = alive_, leak = std::move(leak)] {
        if (!*alive) return;
        state_ = State::kClosed;
        // A copy: the call destroys this attempt.
        const auto on_closed = callbacks_.on_closed;
        on_closed(leak);
    });
}

void JobAttempt::finish_closing() {
    *alive_ = false;
    const std::string leak = tear_down();
    if (!leak.empty()) log::error("memory did not come back from job {}: {}", job_id_, leak);
}

std::string JobAttempt::tear_down() {
    std::string leak;
    const auto note = [&leak](const Status& status) {
        if (!status) leak += (leak.empty() ? "" : "; ") + status.error().message;
    };
    // The network rings tasks, chains hold batches in the gates' buffers, and channels hold batches
    // of the tasks' memory.
    if (channels_ != nullptr) channels_->hang_up();
    for (const auto& task : tasks_) task->drop_chain();
    channels_.reset();
    tasks_.clear();
    resources_.reset();
    kafka_queues_.reset();
    for (memory::Account* account : accounts_) note(means_.memory.close_account(*account));
    accounts_.clear();
    for (memory::SlotMemory* slot : own_slots()) note(slot->close());
    if (auto job = parse_id<JobIdTag>(job_id_)) means_.data_plane.forget(*job);
    return leak;
}

void JobAttempt::report(proto::Heartbeat& heartbeat) const {
    if (state_ != State::kStarted) return;
    for (const auto& task : tasks_) {
        proto::SubtaskReport& report = *heartbeat.add_subtasks();
        report.set_job_id(job_id_);
        report.set_attempt(static_cast<std::uint32_t>(attempt_));
        report.set_vertex(task->placement().vertex);
        report.set_subtask(task->placement().subtask);
        task->report(means_.clock, report);
    }
    for (const auto& [name, model] : resources_->models()) {
        proto::ModelReport& report = *heartbeat.add_models();
        report.set_job_id(job_id_);
        report.set_attempt(static_cast<std::uint32_t>(attempt_));
        model->report(report);
    }
}

}  // namespace millrace::taskmanager
