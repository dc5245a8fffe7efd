// Calls one operator as a task does, keeps what it says, and notes every breach of the contract.
//
// What a task guarantees, the pilot guarantees: the order of calls, a repeated call with the same
// batch after kYield, and none after kBlocked until the Waker rang. Its clock stands still while an
// operator works and moves on while it waits.
//
// Threads:    the case's.
// Ownership:  borrows the operator and its seat.
// Limits:     waits at most `patience` of real time for a ring.
// Failure:    an operator's Error is returned; what it must not do stands in breaches().

#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "operators/operator.h"
#include "runtime/state/memory_snapshot.h"
#include "tests/contract/stage.h"

namespace millrace::contract {

using Breaches = std::vector<std::string>;

// What an operator said, in order, as text.
struct Said {
    Lines main;  // Rows, and "watermark N" or "watermark N idle" between them.
    Lines side;
    Lines rejected;
    std::size_t rows = 0;  // Of main, without watermarks.

    bool operator==(const Said&) const = default;
};

// As it stands among what an operator said.
[[nodiscard]] std::string text_of(const data::Watermark& watermark);

class Pilot final : public operators::Output {
  public:
    static constexpr std::chrono::milliseconds kPatience{20'000};

    Pilot(operators::Operator& op, Stage::Seat& seat, millrace::test::ManualClock& clock,
          std::chrono::milliseconds patience = kPatience);

    Status open();
    Status restore(state::SnapshotReader& reader);
    Status add_splits(std::span<const operators::Split> splits);
    // Whether `input` may have a batch now.
    [[nodiscard]] bool takes(std::uint32_t input);
    // Waits until one of `inputs` may. False: none may, all the time.
    Result<bool> wait_until_takes(std::span<const std::uint32_t> inputs);
    // Gives one batch. False: it was blocked all the time.
    Result<bool> give(const data::BatchPtr& batch, std::uint32_t input = 0);
    Status watermark(data::Watermark watermark);
    Status end_input(std::uint32_t input);
    // Polls until that many rows came in all, or the source has ended.
    Status poll_until(std::size_t rows);
    // False: it was blocked all the time.
    Result<bool> snapshot(std::uint64_t id, state::MemorySnapshot& into);
    Status commit(std::uint64_t id);
    Status abort(std::uint64_t id);
    // Ends the only input, and then the step.
    Result<bool> end();
    // REQUIRES: all inputs have ended.
    Result<bool> end_step();
    void close();

    // Steps only. REQUIRES: called before the first batch.
    void expect(data::SchemaPtr main, data::SchemaPtr side);
    void set_patience(std::chrono::milliseconds patience) { patience_ = patience; }
    // Called while the operator waits.
    void while_waiting(std::function<void()> fn) { while_waiting_ = std::move(fn); }
    void on_batch(std::function<void(const data::BatchPtr&)> fn) { on_batch_ = std::move(fn); }

    [[nodiscard]] const Said& said() const { return said_; }
    [[nodiscard]] const Breaches& breaches() const { return breaches_; }
    [[nodiscard]] bool has_ended() const { return has_ended_; }
    [[nodiscard]] bool is_source() const { return source_ != nullptr; }

    void emit(data::BatchPtr batch) override { emit_to(0, std::move(batch)); }
    void emit_to(std::uint32_t side, data::BatchPtr batch) override;
    void emit_watermark(data::Watermark watermark) override;
    Status reject(const operators::Rejection& rejection) override;

  private:
    enum class May : bool { kNotEmit, kEmit };

    void breach(std::string_view what);
    void check_may_emit(std::string_view what);
    void begin_call(std::string_view name, May may);
    void end_call();
    template <class F>
    auto call(std::string_view name, May may, F&& f) {
        begin_call(name, may);
        auto result = f();
        end_call();
        return result;
    }
    // Repeats a call until it says kDone. False: blocked all the time.
    Result<bool> until_done(std::string_view name, May may,
                            const std::function<Result<operators::Progress>()>& f);
    // One look around while the operator waits; true when it ticked.
    Result<bool> pause();
    // Until it was rung after the count was `rings`; false when nothing of `left` is left.
    Result<bool> wait_for_ring(std::uint64_t rings, std::chrono::milliseconds& left);
    Result<bool> tick_if_due();

    operators::Operator& operator_;
    operators::Step* const step_;
    operators::Source* const source_;
    Stage::Seat& seat_;
    millrace::test::ManualClock& clock_;
    std::chrono::milliseconds patience_;
    const std::thread::id thread_ = std::this_thread::get_id();

    std::function<void()> while_waiting_;
    std::function<void(const data::BatchPtr&)> on_batch_;
    data::SchemaPtr schemas_[2];
    bool checks_schemas_ = false;
    std::string in_call_;
    May may_ = May::kNotEmit;
    std::size_t emitted_[2] = {0, 0};  // Batches of the call under way.
    bool has_ended_ = false;
    bool is_closed_ = false;
    Said said_;
    Breaches breaches_;
};

// Runs an operator from open() to close() over `input`, or until it ends, and keeps its batches.
std::vector<data::BatchPtr> emitted_by(operators::Operator& op, Stage::Seat& seat,
                                       millrace::test::ManualClock& clock,
                                       std::span<const data::BatchPtr> input);

}  // namespace millrace::contract
