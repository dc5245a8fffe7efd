#include "tests/contract/stage.h"

#include <algorithm>
#include <utility>

#include <catch2/catch.hpp>

#include "operators/learning/model_plan.h"
#include "runtime/jobfile/validate.h"
#include "tests/contract/pilot.h"

namespace millrace::contract {
namespace {

constexpr std::size_t kSlotBytes = std::size_t{96} << 20;
constexpr std::uint32_t kOtherSlot = 1;

std::unique_ptr<memory::MemoryManager> make_memory() {
    memory::MemoryManager::Options options;
    options.bytes = 2 * kSlotBytes;
    options.slot_count = 2;
    auto made = memory::MemoryManager::create(options);
    REQUIRE(made);
    return *std::move(made);
}

memory::MemoryOwner owner_in(memory::MemoryPool& pool, memory::Purpose purpose) {
    auto owner =
        memory::MemoryOwner::of(pool, {.job = "job", .operator_name = "step", .purpose = purpose});
    REQUIRE(owner);
    return *owner;
}

}  // namespace

Result<std::unique_ptr<PlannedJob>> PlannedJob::of(const std::string& text,
                                                   const Outside& outside) {
    jobfile::ValidateOptions options;
    options.variables = [&](std::string_view name) -> std::optional<std::string> {
        return outside.variable(name);
    };
    jobfile::Validation read = jobfile::validate({{"job.yaml", text}}, options);
    if (read.job == nullptr)
        return fail(Code::kInvalidOption, "{}",
                    config::report(read.diagnostics, read.sources, config::ReportForm::kText));
    auto made = std::make_unique<PlannedJob>();
    made->job = std::move(*read.job);
    MILLRACE_TRY_ASSIGN(made->graph, graph::plan(made->job));
    MILLRACE_TRY_ASSIGN(made->schemas, taskmanager::resolve_schemas(
                                           made->job, made->graph, operators::builtin_operators()));
    return made;
}

std::uint32_t PlannedJob::index_of(std::string_view node) const {
    for (std::uint32_t i = 0; i < graph.operators.size(); ++i) {
        if (graph.operators[i].name == node) return i;
    }
    FAIL("the job has no node " << node);
    return 0;
}

operators::OperatorRequest PlannedJob::request(std::uint32_t index) const {
    return taskmanager::request_for(job, graph, schemas, index);
}

Stage::Seat::Seat(Stage& stage, std::uint32_t slot)
    : owner(owner_in(stage.memory_->slot(slot), memory::Purpose::kScratch)),
      batches(stage.memory_->slot(slot),
              owner_in(stage.memory_->slot(slot), memory::Purpose::kBatch).id()),
      metrics(stage.registry_, {{"seat", std::to_string(stage.seats_.size())}}),
      context{.job = "contract",
              .step = stage.subject_.node,
              .clock = stage.outside_.clock,
              .waker = bell,
              .batches = batches,
              .slot = stage.memory_->slot(slot),
              .owner = owner.id(),
              .metrics = metrics,
              .resources = *stage.resources_} {}

Stage::Stage(const Subject& subject, Outside& outside)
    : subject_(subject), outside_(outside), memory_(make_memory()) {
    auto planned = PlannedJob::of(subject.job, outside);
    if (!planned) FAIL(planned.error().message);
    planned_ = std::move(*planned);
    index_ = planned_->index_of(subject.node);
    const bool has_kafka = subject.job.find("type: kafka") != std::string::npos;
    resources_ = std::make_unique<operators::JobResources>(
        operators::JobResources::Environment{.clock = outside.clock,
                                             .metrics = registry_,
                                             .run_blocking = outside.blocking(),
                                             .connect_lines = outside.connector()},
        has_kafka ? outside.connections() : std::vector<operators::KafkaConnection>{});
    add_models();
    if (subject.prepare) subject.prepare(*this);
}

Stage::~Stage() {
    // What is still to be written lies in the slot.
    outside_.release_blocking();
    outside_.finish_blocking();
    input_.clear();
    seats_.clear();
    resources_.reset();
    for (memory::Account* account : accounts_) CHECK(memory_->close_account(*account));
}

void Stage::add_models() {
    for (const proto::Model& model : planned_->job.models()) {
        auto options = operators::shared_model_options(planned_->job, model.name());
        REQUIRE(options);
        memory::SlotMemory* slot = &memory_->slot(kOtherSlot);
        auto account = memory_->open_account("contract/" + model.name(), std::span(&slot, 1),
                                             operators::SharedModel::account_bytes(*options));
        REQUIRE(account);
        accounts_.push_back(*account);
        auto made = operators::SharedModel::make(std::move(*options), **account, outside_.clock,
                                                 registry_, "contract");
        REQUIRE(made);
        resources_->add_model(*std::move(made));
    }
}

Result<std::unique_ptr<operators::Operator>> Stage::make(std::size_t inputs) {
    operators::OperatorRequest request = planned_->request(index_);
    std::vector<data::SchemaPtr> schemas;
    if (!request.inputs.empty()) schemas.assign(inputs, request.inputs.front());
    if (inputs > 1) request.inputs = schemas;
    MILLRACE_TRY_ASSIGN(const operators::OperatorSpec* spec,
                        operators::builtin_operators().find(request));
    MILLRACE_TRY_ASSIGN(auto made, spec->make(request, *resources_));
    if (subject_.wrap) made = subject_.wrap(std::move(made));
    return made;
}

void Stage::limit_slot(std::size_t bytes) {
    memory::SlotMemory& slot = memory_->slot(0);
    REQUIRE(slot.bytes_in_use() == 0);
    const std::size_t now = slot.bytes_limit();
    if (bytes > now) slot.take_from_account(bytes - now);
    if (bytes < now) REQUIRE(slot.give_to_account(now - bytes).has_value());
}

std::string Stage::leak() {
    outside_.finish_blocking();
    const Status closed = memory_->slot(0).close();
    return closed ? std::string() : closed.error().message;
}

std::size_t Stage::scratch_declared() {
    const operators::OperatorRequest request = planned_->request(index_);
    const auto spec = operators::builtin_operators().find(request);
    REQUIRE(spec);
    if ((*spec)->scratch == nullptr) return 0;
    const auto segments = (*spec)->scratch(request);
    REQUIRE(segments);
    const std::size_t page = slot().page_bytes();
    std::size_t sum = 0;
    for (const std::size_t bytes : *segments) sum += (bytes + page - 1) / page * page;
    return sum;
}

std::size_t Stage::scratch_peak() {
    std::size_t peak = 0;
    for (const memory::OwnerUse& use : slot().use().owners) {
        if (use.tag.purpose == memory::Purpose::kScratch) peak += use.bytes_peak;
    }
    return peak;
}

const data::SchemaPtr& Stage::schema(std::uint32_t side) const {
    const operators::OutputSchemas& output = planned_->schemas.outputs[index_];
    return side == 0 ? output.main : output.side;
}

const std::vector<data::BatchPtr>& Stage::input() {
    if (std::exchange(has_input_, true)) return input_;
    for (const graph::Link& link : planned_->graph.links) {
        if (link.to == index_) input_ = run_to_end(link.from);
    }
    REQUIRE(input_.size() > 2);
    return input_;
}

double Stage::sum_of_metric(std::string_view name) const {
    double sum = 0;
    for (const auto& seat : seats_) sum += seat->metrics.value_of(name).value_or(0);
    return sum;
}

Stage::Seat& Stage::add_seat(std::uint32_t slot) {
    return *seats_.emplace_back(std::make_unique<Seat>(*this, slot));
}

std::vector<data::BatchPtr> Stage::run_to_end(std::uint32_t index) {
    std::vector<data::BatchPtr> input;
    for (const graph::Link& link : planned_->graph.links) {
        if (link.to == index) input = run_to_end(link.from);
    }
    const operators::OperatorRequest request = planned_->request(index);
    const auto spec = operators::builtin_operators().find(request);
    REQUIRE(spec);
    auto made = (*spec)->make(request, *resources_);
    REQUIRE(made);
    return emitted_by(**made, add_seat(kOtherSlot), outside_.clock, input);
}

}  // namespace millrace::contract
