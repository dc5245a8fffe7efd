#include "tests/learning/learning_world.h"

#include <array>
#include <bit>
#include <limits>

#include <catch2/catch.hpp>

#include "ml/ftrl.h"
#include "ml/synthetic_ctr.h"
#include "runtime/base/check.h"

namespace millrace::operators::test {
Seat::Seat(millrace::test::SlotWorld& memory, JobResources& resources, std::uint32_t subtask,
           std::uint32_t parallelism)
    : batches(memory.slot(), memory.owner()),
      metrics(resources.environment().metrics, {{"subtask", std::to_string(subtask)}}),
      context{.job = "job",
              .step = "step",
              .subtask = subtask,
              .parallelism = parallelism,
              .clock = resources.environment().clock,
              .waker = bell,
              .batches = batches,
              .slot = memory.slot(),
              .owner = memory.owner(),
              .metrics = metrics,
              .resources = resources} {}

LearningWorld::LearningWorld(const Clock& clock) : clock_(clock) {
    resources_.emplace(JobResources::Environment{.clock = clock_,
                                                 .metrics = registry_,
                                                 .run_blocking =
                                                     [](const std::function<void()>& work) {
                                                         work();
                                                         return Status();
                                                     }},
                       std::vector<KafkaConnection>{});
}

LearningWorld::~LearningWorld() { drop_models(); }

SharedModel& LearningWorld::add_model(SharedModel::Options options) {
    memory::SlotMemory* slot = &memory_.manager().slot(0);
    const std::size_t bytes = SharedModel::account_bytes(options);
    auto account =
        memory_.manager().open_account("job/" + options.name, std::span(&slot, 1), bytes);
    MILLRACE_CHECK(account.has_value());
    accounts_.push_back(*account);
    auto model = SharedModel::make(std::move(options), **account, clock_, registry_, "job");
    MILLRACE_CHECK(model.has_value());
    SharedModel& added = **model;
    resources_->add_model(*std::move(model));
    return added;
}

void LearningWorld::drop_models() {
    resources_.reset();
    for (memory::Account* account : accounts_)
        MILLRACE_CHECK(memory_.manager().close_account(*account).has_value());
    accounts_.clear();
}

std::unique_ptr<Seat> LearningWorld::seat(std::uint32_t subtask, std::uint32_t parallelism) {
    return std::make_unique<Seat>(memory_, *resources_, subtask, parallelism);
}

std::vector<Click> clicks(std::uint64_t seed, std::int32_t split, std::size_t count) {
    ml::SyntheticCtrStream stream(seed);
    std::vector<Click> made;
    for (std::size_t i = 0; i < count; ++i) {
        const ml::SyntheticCtrStream::Event event = stream.next();
        Click click{.slots = {ml::kBiasSlot},
                    .label = event.click ? 1.0F : 0.0F,
                    .position = {.split = split,
                                 .ordinal = static_cast<std::int64_t>(i),
                                 .timestamp_ms = static_cast<std::int64_t>(i)}};
        for (std::uint32_t f = 0; f < ml::SyntheticCtrStream::kFields; ++f)
            click.slots.push_back(ml::SyntheticCtrStream::slot(f, event.fields[f], kBits));
        made.push_back(std::move(click));
    }
    return made;
}

data::SchemaPtr click_schema() {
    return *data::Schema::make({{"id", {.kind = data::Kind::kInt64}},
                                {"label", {.kind = data::Kind::kFloat32}},
                                {"features:f", {.kind = data::Kind::kFeatures}}});
}

data::BatchPtr click_batch(data::BatchMemory& memory, std::span<const Click> rows) {
    auto plain = data::Schema::make(
        {{"id", {.kind = data::Kind::kInt64}}, {"label", {.kind = data::Kind::kFloat32}}});
    data::BatchBuilder builder(*plain, memory);
    MILLRACE_CHECK(builder.begin().has_value());
    std::size_t entries = 0;
    for (const Click& row : rows) {
        builder.set_int64(kIdColumn, row.position.ordinal);
        if (row.label) builder.set_float32(kLabelColumn, *row.label);
        builder.end_row(row.position);
        entries += row.slots.size();
    }
    const data::BatchPtr parent = builder.finish();
    auto derived = data::DerivedBatch::make(click_schema(), parent, memory,
                                            (entries + rows.size() + 1) * 4 + 128);
    MILLRACE_CHECK(derived.has_value());
    const auto offsets = derived->array<std::int32_t>(rows.size() + 1);
    const auto slots = derived->array<std::uint32_t>(entries);
    std::size_t at = 0;
    offsets[0] = 0;
    for (std::size_t row = 0; row < rows.size(); ++row) {
        for (const std::uint32_t slot : rows[row].slots) slots[at++] = slot;
        offsets[row + 1] = static_cast<std::int32_t>(at);
    }
    derived->borrow(kIdColumn, kIdColumn);
    derived->borrow(kLabelColumn, kLabelColumn);
    derived->set(kFeaturesColumn, {.values = reinterpret_cast<const std::byte*>(slots.data()),
                                   .offsets = offsets.data()});
    return std::move(*derived).finish();
}

std::unique_ptr<const ml::Learner> make_ftrl() {
    return *ml::Ftrl::create({.alpha = 0.2, .beta = 1, .l1 = 0, .l2 = 0});
}

SharedModel::Options click_options(std::string name, std::uint32_t trainers) {
    SharedModel::Options options{.name = std::move(name), .bits = kBits};
    options.entries_row_max = ml::SyntheticCtrStream::kFields + 1;
    options.active_features = ml::SyntheticCtrStream::kFields + 1;
    options.learner = make_ftrl();
    options.trainers = trainers;
    return options;
}

PlainModel::PlainModel(const SharedModel& like)
    : fixture(like.options().bits, like.learner().view_lanes(), like.options().scaled_columns),
      learner_(like.learner()) {
    learner_.set_prior(fixture.table, like.options().active_features);
}

float PlainModel::learn(const Click& click) {
    const std::array<std::int32_t, 2> offsets{0, static_cast<std::int32_t>(click.slots.size())};
    const float label = click.label.value_or(std::numeric_limits<float>::quiet_NaN());
    float score = 0;
    learner_.train_rows(
        fixture.table,
        {.row_count = 1, .offsets = offsets.data(), .slots = click.slots.data(), .labels = &label},
        std::span(&score, 1));
    return score;
}

std::vector<std::uint32_t> PlainModel::bits() const { return bits_of(fixture.table); }

std::vector<std::uint32_t> bits_of(const ml::Table& table) {
    std::vector<std::uint32_t> bits;
    for (const ml::Cell& cell : table.cells()) {
        bits.push_back(std::bit_cast<std::uint32_t>(cell.w));
        for (const float state : cell.state) bits.push_back(std::bit_cast<std::uint32_t>(state));
    }
    return bits;
}

}  // namespace millrace::operators::test
