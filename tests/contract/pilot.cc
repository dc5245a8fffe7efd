#include "tests/contract/pilot.h"

#include <algorithm>
#include <utility>

#include <catch2/catch.hpp>

#include "tests/data/random_batch.h"

namespace millrace::contract {
namespace {

using operators::Progress;

constexpr std::chrono::milliseconds kPause{2};
constexpr int kYieldsMax = 100'000;

}  // namespace

std::string text_of(const data::Watermark& watermark) {
    return fmt::format("watermark {}{}", watermark.event_time_ms, watermark.is_idle ? " idle" : "");
}

Pilot::Pilot(operators::Operator& op, Stage::Seat& seat, millrace::test::ManualClock& clock,
             std::chrono::milliseconds patience)
    : operator_(op),
      step_(dynamic_cast<operators::Step*>(&op)),
      source_(dynamic_cast<operators::Source*>(&op)),
      seat_(seat),
      clock_(clock),
      patience_(patience) {
    REQUIRE((step_ == nullptr) != (source_ == nullptr));
}

void Pilot::expect(data::SchemaPtr main, data::SchemaPtr side) {
    schemas_[0] = std::move(main);
    schemas_[1] = std::move(side);
    checks_schemas_ = true;
}

void Pilot::breach(std::string_view what) {
    constexpr std::size_t kBreachesMax = 20;
    if (breaches_.size() < kBreachesMax) breaches_.push_back(fmt::format("{}: {}", in_call_, what));
}

void Pilot::begin_call(std::string_view name, May may) {
    in_call_ = name;
    may_ = may;
    emitted_[0] = emitted_[1] = 0;
}

void Pilot::end_call() {
    for (const std::size_t emitted : emitted_) {
        if (emitted > operators::kEmitBatchesMax)
            breach(fmt::format("emitted {} batches in one call", emitted));
    }
    in_call_ = "outside of any call";
    may_ = May::kNotEmit;
}

void Pilot::check_may_emit(std::string_view what) {
    if (std::this_thread::get_id() != thread_) breach(fmt::format("{} on another thread", what));
    if (may_ == May::kNotEmit) breach(fmt::format("{} where it has no output", what));
}

void Pilot::emit_to(std::uint32_t side, data::BatchPtr batch) {
    check_may_emit("emitted a batch");
    if (side > 1 || !batch || batch->rows() == 0) return breach("emitted nothing, or to nowhere");
    ++emitted_[side];
    if (checks_schemas_ && (schemas_[side] == nullptr || !(*batch->schema() == *schemas_[side])))
        breach(fmt::format("emitted other fields than declared: {}", batch->schema()->to_string()));
    if (on_batch_ && side == 0) return on_batch_(batch);
    Lines& into = side == 0 ? said_.main : said_.side;
    for (std::string& row : millrace::test::text_of(*batch)) into.push_back(std::move(row));
    if (side == 0) said_.rows += batch->rows();
}

void Pilot::emit_watermark(data::Watermark watermark) {
    check_may_emit("emitted a watermark");
    said_.main.push_back(text_of(watermark));
}

Status Pilot::reject(const operators::Rejection& rejection) {
    check_may_emit("rejected a record");
    said_.rejected.push_back(fmt::format("{} {} at {}/{}", rejection.code, rejection.payload,
                                         rejection.split, rejection.position.ordinal));
    return {};
}

Status Pilot::open() {
    return call("open", May::kNotEmit, [&] { return operator_.open(seat_.context); });
}

Status Pilot::restore(state::SnapshotReader& reader) {
    return call("restore", May::kNotEmit, [&] { return operator_.restore(reader); });
}

Status Pilot::add_splits(std::span<const operators::Split> splits) {
    return call("add_splits", May::kNotEmit, [&] { return source_->add_splits(splits); });
}

Result<bool> Pilot::tick_if_due() {
    const TimePoint due = call("next_tick", May::kNotEmit, [&] { return operator_.next_tick(); });
    call("trouble", May::kNotEmit, [&] { return operator_.trouble(); });
    if (due > clock_.now()) return false;
    MILLRACE_TRY(call("on_tick", May::kEmit, [&] { return operator_.on_tick(*this); }));
    return true;
}

Result<bool> Pilot::pause() {
    MILLRACE_TRY_ASSIGN(const bool ticked, tick_if_due());
    seat_.bell.wait(kPause);
    clock_.advance(kPause);
    if (while_waiting_) while_waiting_();
    return ticked;
}

Result<bool> Pilot::wait_for_ring(std::uint64_t rings, std::chrono::milliseconds& left) {
    for (; left.count() > 0; left -= kPause) {
        if (seat_.bell.rings() != rings) return true;
        MILLRACE_TRY_ASSIGN(const bool ticked, pause());
        static_cast<void>(ticked);
    }
    return false;
}

Result<bool> Pilot::until_done(std::string_view name, May may,
                               const std::function<Result<Progress>()>& f) {
    auto left = patience_;
    for (int yields = 0; yields < kYieldsMax; ++yields) {
        const std::uint64_t rings = seat_.bell.rings();
        MILLRACE_TRY_ASSIGN(const Progress progress, call(name, may, f));
        if (progress == Progress::kDone) return true;
        if (progress == Progress::kEnd) {
            in_call_ = name;
            breach("said kEnd, which is for sources");
            return true;
        }
        if (progress == Progress::kBlocked) {
            MILLRACE_TRY_ASSIGN(const bool rung, wait_for_ring(rings, left));
            if (!rung) return false;
        } else {
            MILLRACE_TRY_ASSIGN(const bool ticked, tick_if_due());
            static_cast<void>(ticked);
        }
    }
    in_call_ = name;
    breach("says kYield for ever");
    return true;
}

bool Pilot::takes(std::uint32_t input) {
    return call("takes", May::kNotEmit, [&] { return step_->takes(input); });
}

Result<bool> Pilot::wait_until_takes(std::span<const std::uint32_t> inputs) {
    for (auto left = patience_; left.count() > 0;) {
        const std::uint64_t rings = seat_.bell.rings();
        if (std::ranges::any_of(inputs, [&](std::uint32_t input) { return takes(input); }))
            return true;
        MILLRACE_TRY_ASSIGN(const bool rung, wait_for_ring(rings, left));
        if (!rung) return false;
    }
    return false;
}

Result<bool> Pilot::give(const data::BatchPtr& batch, std::uint32_t input) {
    return until_done("process", May::kEmit, [&] { return step_->process(batch, input, *this); });
}

Status Pilot::watermark(data::Watermark watermark) {
    return call("on_watermark", May::kEmit, [&] { return step_->on_watermark(watermark, *this); });
}

Status Pilot::end_input(std::uint32_t input) {
    return call("on_input_end", May::kNotEmit, [&] { return step_->on_input_end(input); });
}

Status Pilot::poll_until(std::size_t rows) {
    auto left = patience_;
    while (said_.rows < rows && !has_ended_) {
        const std::uint64_t rings = seat_.bell.rings();
        MILLRACE_TRY_ASSIGN(const Progress progress,
                            call("poll", May::kEmit, [&] { return source_->poll(*this); }));
        has_ended_ = progress == Progress::kEnd;
        if (progress == Progress::kYield || has_ended_) continue;
        bool is_due = false;
        while (!is_due && seat_.bell.rings() == rings && left.count() > 0) {
            MILLRACE_TRY_ASSIGN(is_due, pause());
            left -= kPause;
        }
        if (left.count() <= 0) {
            in_call_ = "poll";
            breach(fmt::format("neither rang nor ticked with {} of {} rows out", said_.rows, rows));
            return {};
        }
    }
    return {};
}

Result<bool> Pilot::snapshot(std::uint64_t id, state::MemorySnapshot& into) {
    return until_done("snapshot", May::kNotEmit, [&] { return operator_.snapshot(id, into); });
}

Status Pilot::commit(std::uint64_t id) {
    return call("commit", May::kNotEmit, [&] { return operator_.commit(id); });
}

Status Pilot::abort(std::uint64_t id) {
    return call("abort", May::kNotEmit, [&] { return operator_.abort(id); });
}

Result<bool> Pilot::end() {
    MILLRACE_TRY(end_input(0));
    return end_step();
}

Result<bool> Pilot::end_step() {
    has_ended_ = true;
    return until_done("on_end", May::kEmit, [&] { return step_->on_end(*this); });
}

void Pilot::close() {
    if (std::exchange(is_closed_, true)) return;
    begin_call("close", May::kNotEmit);
    operator_.close();
    end_call();
}

std::vector<data::BatchPtr> emitted_by(operators::Operator& op, Stage::Seat& seat,
                                       millrace::test::ManualClock& clock,
                                       std::span<const data::BatchPtr> input) {
    std::vector<data::BatchPtr> batches;
    Pilot pilot(op, seat, clock);
    pilot.on_batch([&](const data::BatchPtr& batch) { batches.push_back(batch); });
    REQUIRE(pilot.open());
    if (pilot.is_source()) {
        const operators::Split split{.name = "upstream"};
        REQUIRE(pilot.add_splits(std::span(&split, 1)));
        REQUIRE(pilot.poll_until(1));
        REQUIRE(pilot.has_ended());
    } else {
        for (const data::BatchPtr& batch : input) REQUIRE(pilot.give(batch).value_or(false));
        REQUIRE(pilot.end().value_or(false));
    }
    pilot.close();
    REQUIRE(pilot.breaches().empty());
    return batches;
}

}  // namespace millrace::contract
