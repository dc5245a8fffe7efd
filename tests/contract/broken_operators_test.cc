// The suite sees it when an operator breaks the contract: each of these breaks one clause.

#include <catch2/catch.hpp>

#include "tests/contract/clauses.h"

namespace millrace::contract {
namespace {

using operators::Operator;
using operators::Output;
using operators::Progress;

// Passes every call on to a step that keeps the contract.
class PassingStep : public operators::Step {
  public:
    explicit PassingStep(std::unique_ptr<Operator> inner) : inner_(std::move(inner)) {}
    Status open(operators::OperatorContext& context) override {
        context_ = &context;
        return inner_->open(context);
    }
    Result<Progress> process(const data::BatchPtr& batch, std::uint32_t input,
                             Output& output) override {
        return step().process(batch, input, output);
    }
    Status on_watermark(data::Watermark watermark, Output& output) override {
        return step().on_watermark(watermark, output);
    }
    [[nodiscard]] bool takes(std::uint32_t input) const override {
        return dynamic_cast<const operators::Step&>(*inner_).takes(input);
    }
    Status on_input_end(std::uint32_t input) override { return step().on_input_end(input); }
    Result<Progress> on_end(Output& output) override { return step().on_end(output); }
    void close() noexcept override { inner_->close(); }

  protected:
    [[nodiscard]] operators::Step& step() { return dynamic_cast<operators::Step&>(*inner_); }

    std::unique_ptr<Operator> inner_;
    operators::OperatorContext* context_ = nullptr;
};

class KeepsASegment final : public PassingStep {
  public:
    using PassingStep::PassingStep;
    Status open(operators::OperatorContext& context) override {
        auto taken = context.slot.allocate(context.owner, 1);
        if (taken) *kept() = *std::move(taken);
        return PassingStep::open(context);
    }
    // Outlives the operator, as a cache would that nobody empties.
    static memory::Segment* kept() {
        static memory::Segment segment;
        return &segment;
    }
};

class EmitsTooMuch final : public PassingStep {
  public:
    using PassingStep::PassingStep;
    Result<Progress> process(const data::BatchPtr& batch, std::uint32_t, Output& output) override {
        for (std::size_t i = 0; i <= operators::kEmitBatchesMax; ++i) output.emit(batch);
        return Progress::kDone;
    }
};

class EmitsWhileItSnapshots final : public PassingStep {
  public:
    using PassingStep::PassingStep;
    Result<Progress> process(const data::BatchPtr& batch, std::uint32_t input,
                             Output& output) override {
        output_ = &output;
        batch_ = batch;
        return PassingStep::process(batch, input, output);
    }
    Result<Progress> snapshot(std::uint64_t, state::SnapshotWriter&) override {
        if (output_ != nullptr) output_->emit(batch_);
        batch_ = {};
        output_ = nullptr;
        return Progress::kDone;
    }

  private:
    Output* output_ = nullptr;
    data::BatchPtr batch_;
};

// Leaves out every third batch, and does not say in its snapshots how many there were.
class ForgetsItsCount final : public PassingStep {
  public:
    using PassingStep::PassingStep;
    Result<Progress> process(const data::BatchPtr& batch, std::uint32_t input,
                             Output& output) override {
        if (++count_ % 3 == 0) return Progress::kDone;
        return PassingStep::process(batch, input, output);
    }

  private:
    int count_ = 0;
};

class WithholdsWatermarks final : public PassingStep {
  public:
    using PassingStep::PassingStep;
    Status on_watermark(data::Watermark, Output&) override { return {}; }
};

// Hides that nothing comes for a while.
class HidesIdleness final : public PassingStep {
  public:
    using PassingStep::PassingStep;
    Status on_watermark(data::Watermark watermark, Output& output) override {
        output.emit_watermark({.event_time_ms = watermark.event_time_ms, .is_idle = false});
        return {};
    }
};

// Knows nothing of other inputs than the first.
class DropsOtherInputs final : public PassingStep {
  public:
    using PassingStep::PassingStep;
    Result<Progress> process(const data::BatchPtr& batch, std::uint32_t input,
                             Output& output) override {
        return input == 0 ? PassingStep::process(batch, input, output) : Progress::kDone;
    }
};

// Takes what comes over the second input when the first has ended; whether it rings then is told.
template <bool kRings>
class TakesOneAfterTheOther final : public PassingStep {
  public:
    using PassingStep::PassingStep;
    [[nodiscard]] bool takes(std::uint32_t input) const override {
        return input == 0 || (has_ended_ && kRings);
    }
    Status on_input_end(std::uint32_t input) override {
        if (input == 0) has_ended_ = true;
        if (input == 0 && kRings) context_->waker.wake();
        return PassingStep::on_input_end(input);
    }

  private:
    bool has_ended_ = false;
};

// Says something at its end, and again when it is restored behind it.
class EndsAgain final : public PassingStep {
  public:
    using PassingStep::PassingStep;
    Result<Progress> on_end(Output& output) override {
        output.emit_watermark({.event_time_ms = 99, .is_idle = false});
        return PassingStep::on_end(output);
    }
};

// Takes more than it declares.
class TakesMoreScratch final : public PassingStep {
  public:
    using PassingStep::PassingStep;
    Status open(operators::OperatorContext& context) override {
        MILLRACE_TRY_ASSIGN(more_, context.slot.allocate(context.owner, 1));
        return PassingStep::open(context);
    }
    void close() noexcept override {
        more_.release();
        PassingStep::close();
    }

  private:
    memory::Segment more_;
};

class NeverRings final : public PassingStep {
  public:
    using PassingStep::PassingStep;
    Result<Progress> process(const data::BatchPtr&, std::uint32_t, Output&) override {
        return Progress::kBlocked;
    }
};

class ChangesFields final : public PassingStep {
  public:
    using PassingStep::PassingStep;
    Result<Progress> process(const data::BatchPtr& batch, std::uint32_t, Output& output) override {
        auto narrow = data::DerivedBatch::make(
            *data::Schema::make({{"f", batch->schema()->fields()[0].type}}), batch,
            context_->batches, 128);
        if (!narrow) return std::unexpected(narrow.error());
        narrow->borrow(0, 0);
        output.emit(std::move(*narrow).finish());
        return Progress::kDone;
    }
};

// Holds rows until their checkpoint is decided; `Publishes` says when they really come out.
enum class Publishes { kWhenDecided, kWhenSnapshot };
struct Published {
    std::size_t rows = 0;
    std::uint64_t up_to = 0;  // Checkpoints up to this one are out.
};
Published& published() {
    static Published all;
    return all;
}

class StagedSink final : public PassingStep {
  public:
    StagedSink(std::unique_ptr<Operator> inner, Publishes publishes)
        : PassingStep(std::move(inner)), publishes_(publishes) {}
    Result<Progress> process(const data::BatchPtr& batch, std::uint32_t, Output&) override {
        staged_ += batch->rows();
        return Progress::kDone;
    }
    Result<Progress> snapshot(std::uint64_t id, state::SnapshotWriter& writer) override {
        const std::uint64_t cell = staged_;
        MILLRACE_TRY(writer.write("staged", std::as_bytes(std::span(&cell, 1))));
        cut_.emplace_back(id, staged_);
        if (publishes_ == Publishes::kWhenSnapshot) return publish(id), Progress::kDone;
        return Progress::kDone;
    }
    Status restore(state::SnapshotReader& reader) override {
        MILLRACE_TRY_ASSIGN(const auto bytes, reader.read("staged"));
        if (bytes.size() != sizeof(std::uint64_t)) return fail(Code::kCorruption, "cut off");
        return {};
    }
    Status commit(std::uint64_t id) override { return publish(id), Status{}; }
    Result<Progress> on_end(Output&) override { return Progress::kDone; }

  private:
    void publish(std::uint64_t id) {
        for (const auto& [cut, rows] : cut_) {
            if (cut != id) continue;
            published().rows += rows - out_;
            out_ = rows;
        }
        published().up_to = std::max(published().up_to, id);
    }

    const Publishes publishes_;
    std::size_t staged_ = 0;
    std::size_t out_ = 0;
    std::vector<std::pair<std::uint64_t, std::size_t>> cut_;
};

template <class Broken>
Subject broken(std::string_view like) {
    Subject subject = *find_subject(operators::Role::kStep, like);
    subject.wrap = [](std::unique_ptr<Operator> inner) {
        return std::make_unique<Broken>(std::move(inner));
    };
    return subject;
}

bool has(const Breaches& breaches, std::string_view text) {
    for (const std::string& breach : breaches) {
        UNSCOPED_INFO(breach);
        if (breach.find(text) != std::string::npos) return true;
    }
    return false;
}

}  // namespace

TEST_CASE("The contract suite sees a leak and names who holds it", "[contract]") {
    // The segment must go before its region does, so the clause's own parts are used.
    Scenario scenario(broken<KeepsASegment>("filter"));
    {
        Session session(scenario);
        REQUIRE(session.open());
    }
    CHECK_THAT(scenario.stage.leak(), Catch::Contains("step"));
    *KeepsASegment::kept() = {};
    CHECK(scenario.stage.leak().empty());
}

TEST_CASE("The contract suite sees emission past the limit of a call", "[contract]") {
    CHECK(has(is_deterministic(broken<EmitsTooMuch>("filter")), "emitted 5 batches in one call"));
}

TEST_CASE("The contract suite sees emission where there is no output", "[contract]") {
    CHECK(has(is_not_disturbed_by_barriers(broken<EmitsWhileItSnapshots>("filter")),
              "snapshot: emitted a batch where it has no output"));
}

TEST_CASE("The contract suite sees state that a snapshot leaves out", "[contract]") {
    CHECK(has(goes_on_after_a_restore(broken<ForgetsItsCount>("filter")), "cut at part 1"));
}

TEST_CASE("The contract suite sees watermarks that do not arrive", "[contract]") {
    CHECK(has(handles_watermarks(broken<WithholdsWatermarks>("filter")), "after a watermark"));
}

TEST_CASE("The contract suite sees idleness that does not arrive", "[contract]") {
    CHECK(has(handles_watermarks(broken<HidesIdleness>("filter")), "after a watermark"));
}

TEST_CASE("The contract suite sees inputs that are not read", "[contract]") {
    CHECK(
        has(takes_several_inputs(broken<DropsOtherInputs>("filter")), "over several inputs, rows"));
}

TEST_CASE("The contract suite leaves inputs alone that an operator does not take", "[contract]") {
    CHECK(takes_several_inputs(broken<TakesOneAfterTheOther<true>>("filter")).empty());
    Scenario scenario(broken<TakesOneAfterTheOther<false>>("filter"));
    Session session(scenario, std::chrono::milliseconds(50), 2);
    REQUIRE(session.open());
    REQUIRE(session.run_all_inputs());
    CHECK(has(session.breaches(), "refused every input and never rang"));
}

TEST_CASE("The contract suite sees what is said again behind the end", "[contract]") {
    CHECK(has(keeps_its_state_behind_the_end(broken<EndsAgain>("filter")),
              "restored behind the end, rows"));
}

TEST_CASE("The contract suite sees scratch that was not declared", "[contract]") {
    CHECK(has(takes_the_scratch_it_declares(broken<TakesMoreScratch>("filter")), "of scratch"));
}

TEST_CASE("The contract suite sees fields that were not declared", "[contract]") {
    CHECK(has(is_deterministic(broken<ChangesFields>("filter")), "other fields than declared"));
}

TEST_CASE("The contract suite sees an operator that blocks and never rings", "[contract]") {
    Scenario scenario(broken<NeverRings>("filter"));
    Session session(scenario, std::chrono::milliseconds(50));
    REQUIRE(session.open());
    REQUIRE(session.run_to(1));
    CHECK(has(session.breaches(), "never rang"));
}

TEST_CASE("The contract suite tells a staged sink from one that publishes too early",
          "[contract]") {
    const auto staged = [](Publishes publishes) {
        Subject subject = *find_subject(operators::Role::kSink, "discard");
        subject.may_repeat = false;
        subject.wrap = [publishes](std::unique_ptr<Operator> inner) {
            return std::make_unique<StagedSink>(std::move(inner), publishes);
        };
        return subject;
    };
    // Rows of the first part, the second one undecided: out are those of the first, or of both.
    const auto out_after_failure = [&](Publishes publishes) {
        published() = {};
        const Subject subject = staged(publishes);
        Scenario scenario(subject);
        Session session(scenario);
        REQUIRE(session.open());
        state::MemorySnapshot first;
        state::MemorySnapshot second;
        REQUIRE(session.run_to(1));
        REQUIRE(session.pilot().snapshot(1, first));
        REQUIRE(session.pilot().commit(1));
        REQUIRE(session.run_to(2));
        REQUIRE(session.pilot().snapshot(2, second));
        return published().rows;
    };
    CHECK(out_after_failure(Publishes::kWhenDecided) == 1024);
    CHECK(out_after_failure(Publishes::kWhenSnapshot) == 2048);
}

}  // namespace millrace::contract
