// What the learning steps need around them, for tests: a slot, models with their accounts, clicks.

#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "ml/learner.h"
#include "ml/table.h"
#include "operators/job_resources.h"
#include "operators/learning/shared_model.h"
#include "operators/operator.h"
#include "proto/job.pb.h"
#include "runtime/base/clock.h"
#include "runtime/base/metrics.h"
#include "runtime/data/batch_memory.h"
#include "tests/ml/model_fixture.h"
#include "tests/operators/bell.h"
#include "tests/support/slot_world.h"

namespace millrace::operators::test {

inline constexpr unsigned kBits = 12;

// The seat of one task: its bell, its batches, its context.
struct Seat {
    Seat(millrace::test::SlotWorld& memory, JobResources& resources, std::uint32_t subtask,
         std::uint32_t parallelism);

    Bell bell;
    data::BatchMemory batches;
    metrics::MetricGroup metrics;
    OperatorContext context;
};

// Memory, and models in accounts of it.
class LearningWorld {
  public:
    explicit LearningWorld(const Clock& clock);
    ~LearningWorld();

    SharedModel& add_model(SharedModel::Options options);
    // Destroys all models with the resources; their accounts must be empty then.
    void drop_models();
    std::unique_ptr<Seat> seat(std::uint32_t subtask = 0, std::uint32_t parallelism = 1);

    [[nodiscard]] millrace::test::SlotWorld& memory() { return memory_; }
    [[nodiscard]] metrics::Registry& registry() { return registry_; }
    [[nodiscard]] const Clock& clock() const { return clock_; }
    [[nodiscard]] JobResources& resources() { return *resources_; }

  private:
    const Clock& clock_;
    millrace::test::SlotWorld memory_{std::size_t{256} << 20};
    metrics::Registry registry_;
    std::vector<memory::Account*> accounts_;
    std::optional<JobResources> resources_;
};

// Keeps what a step emits.
class Kept final : public Output {
  public:
    void emit(data::BatchPtr batch) override { main.push_back(std::move(batch)); }
    void emit_to(std::uint32_t output, data::BatchPtr batch) override {
        REQUIRE(output == 1);
        side.push_back(std::move(batch));
    }
    void emit_watermark(data::Watermark) override {}
    Status reject(const Rejection&) override { return {}; }

    std::vector<data::BatchPtr> main;
    std::vector<data::BatchPtr> side;
};

// One row of the synthetic click stream.
struct Click {
    std::vector<std::uint32_t> slots;  // The constant first.
    std::optional<float> label;
    data::Position position;
};
// `count` clicks of one split; a pure function of `seed`. Timestamps: the ordinal.
std::vector<Click> clicks(std::uint64_t seed, std::int32_t split, std::size_t count);

// Columns of click batches: "id" (int64, the ordinal), "label" (float32) and "features:f".
enum ClickColumn : std::size_t { kIdColumn, kLabelColumn, kFeaturesColumn };
data::SchemaPtr click_schema();
data::BatchPtr click_batch(data::BatchMemory& memory, std::span<const Click> rows);

// FTRL as the main job has it.
std::unique_ptr<const ml::Learner> make_ftrl();
SharedModel::Options click_options(std::string name, std::uint32_t trainers);

// Learns the clicks one after the other, without any of the code under test.
class PlainModel {
  public:
    explicit PlainModel(const SharedModel& like);
    // Returns the score that the row got before it was learned.
    float learn(const Click& click);
    // The bits of all cells.
    [[nodiscard]] std::vector<std::uint32_t> bits() const;

    ml::ModelFixture fixture;

  private:
    const ml::Learner& learner_;
};
std::vector<std::uint32_t> bits_of(const ml::Table& table);

}  // namespace millrace::operators::test
