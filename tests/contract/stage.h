// One attempt of a job around one operator under test: its memory, models, resources and input.
//
// The operator has a slot of its own, so that what it holds is told from what holds it up. Its
// input is what its upstream in the job file really emits.
//
// Threads:    the case's.
// Ownership:  owns memory, resources and input; borrows the Outside.
// Failure:    ends the Catch2 case, but for what a job file may have wrong: of().

#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "memory/memory_manager.h"
#include "operators/job_resources.h"
#include "operators/operator.h"
#include "operators/registry.h"
#include "proto/job.pb.h"
#include "runtime/graph/job_graph.h"
#include "runtime/taskmanager/stream_schemas.h"
#include "tests/contract/outside.h"
#include "tests/contract/subject.h"
#include "tests/operators/bell.h"

namespace millrace::contract {

// A job file, read, completed and planned, with the schemas of all of its streams.
struct PlannedJob {
    proto::Job job;
    graph::JobGraph graph;
    taskmanager::StreamSchemas schemas;

    // Errors: what is wrong with it, in the words that its user reads.
    static Result<std::unique_ptr<PlannedJob>> of(const std::string& text, const Outside& outside);
    // REQUIRES: there is such a node.
    [[nodiscard]] std::uint32_t index_of(std::string_view node) const;
    [[nodiscard]] operators::OperatorRequest request(std::uint32_t index) const;
};

class Stage {
  public:
    Stage(const Subject& subject, Outside& outside);
    Stage(const Stage&) = delete;
    Stage& operator=(const Stage&) = delete;
    ~Stage();

    // A fresh instance whose inputs all are the one of its job, as behind a union. Errors: what the
    // operator refuses.
    Result<std::unique_ptr<operators::Operator>> make(std::size_t inputs = 1);
    // Bytes that the operator's slot may give. REQUIRES: nothing is held there.
    void limit_slot(std::size_t bytes);
    // What the slot still holds, and for whom; empty when all came back. Slow work that has begun
    // may end first.
    [[nodiscard]] std::string leak();
    // What the operator declares to take beside batches, and the most that it took so far.
    [[nodiscard]] std::size_t scratch_declared();
    [[nodiscard]] std::size_t scratch_peak();

    [[nodiscard]] const Subject& subject() const { return subject_; }
    [[nodiscard]] Outside& outside() { return outside_; }
    [[nodiscard]] operators::JobResources& resources() { return *resources_; }
    [[nodiscard]] memory::MemoryPool& slot() { return memory_->slot(0); }
    [[nodiscard]] const data::SchemaPtr& schema(std::uint32_t side) const;
    // All batches that the operator's upstream emits, in order.
    [[nodiscard]] const std::vector<data::BatchPtr>& input();
    // Over all seats.
    [[nodiscard]] double sum_of_metric(std::string_view name) const;

    // Seats an operator in a slot; slot 0 is that of the operator under test.
    struct Seat {
        Seat(Stage& stage, std::uint32_t slot);

        operators::test::Bell bell;
        memory::MemoryOwner owner;  // Of what is no batch.
        data::BatchMemory batches;
        metrics::MetricGroup metrics;
        operators::OperatorContext context;
    };
    // A new seat in the slot under test; it lives as long as the stage, as its metrics do.
    Seat& take_seat() { return add_seat(0); }
    // Runs node `index` to its end, in the other slot. REQUIRES: its input ends.
    std::vector<data::BatchPtr> run_to_end(std::uint32_t index);
    [[nodiscard]] const PlannedJob& planned() const { return *planned_; }

  private:
    void add_models();
    Seat& add_seat(std::uint32_t slot);

    const Subject& subject_;
    Outside& outside_;
    metrics::Registry registry_;
    std::unique_ptr<memory::MemoryManager> memory_;
    std::unique_ptr<PlannedJob> planned_;
    std::uint32_t index_ = 0;
    std::unique_ptr<operators::JobResources> resources_;
    std::vector<memory::Account*> accounts_;
    std::vector<std::unique_ptr<Seat>> seats_;
    std::vector<data::BatchPtr> input_;
    bool has_input_ = false;
};

}  // namespace millrace::contract
