#include "runtime/task/input_gate.h"

#include <deque>

#include <catch2/catch.hpp>

#include "tests/support/manual_clock.h"
#include "tests/support/slot_world.h"
#include "tests/task/counting_waker.h"
#include "tests/task/rows.h"

namespace millrace::task {
namespace {

// A channel that gives what the test put into it, and then its failure.
class ScriptedChannel final : public InputChannel {
  public:
    void attach_consumer(Waker& waker) override { waker_ = &waker; }
    std::optional<data::Element> poll() override {
        if (elements.empty()) return std::nullopt;
        data::Element element = std::move(elements.front());
        elements.pop_front();
        return element;
    }
    [[nodiscard]] const Error* failed() const override { return failure ? &*failure : nullptr; }
    [[nodiscard]] std::size_t queued_bytes() const override { return 0; }
    [[nodiscard]] Waker* waker() const { return waker_; }

    std::deque<data::Element> elements;
    std::optional<Error> failure;

  private:
    Waker* waker_ = nullptr;
};

// A gate with the given number of channels for each input.
class GateWorld {
  public:
    explicit GateWorld(const std::vector<std::size_t>& channels_per_input) {
        std::vector<std::vector<InputChannel*>> inputs;
        for (const std::size_t count : channels_per_input) {
            inputs.emplace_back();
            for (std::size_t i = 0; i < count; ++i)
                inputs.back().push_back(&channels_.emplace_back());
        }
        gate_.emplace(inputs);
    }

    ScriptedChannel& channel(std::size_t i) { return channels_[i]; }
    void push(std::size_t channel, data::Element element) {
        channels_[channel].elements.push_back(std::move(element));
    }
    data::BatchPtr rows(std::int64_t first) {
        return test::make_rows(world_.batches(), 0, first, 1);
    }
    InputGate& gate() { return *gate_; }
    test::ManualClock& clock() { return clock_; }

    // All that comes out now, in words: "0:5" is a batch of input 0 with row 5, "i7" an idle
    // watermark.
    std::string drain() {
        std::string text;
        while (true) {
            auto polled = gate_->poll(clock_.now());
            if (!polled) return text + "failed: " + polled.error().message;
            if (!*polled) return text;
            if (!text.empty()) text += " ";
            text += in_words(**polled);
        }
    }

  private:
    static std::string in_words(const GateElement& polled) {
        if (const auto* batch = std::get_if<data::BatchPtr>(&polled.element)) {
            return fmt::format("{}:{}", polled.input, test::ordinals_of(**batch).front());
        }
        if (const auto* watermark = std::get_if<data::Watermark>(&polled.element)) {
            if (watermark->event_time_ms == data::kNoEventTime)
                return watermark->is_idle ? "i" : "w";
            return fmt::format("{}{}", watermark->is_idle ? "i" : "w", watermark->event_time_ms);
        }
        if (const auto* barrier = std::get_if<data::CheckpointBarrier>(&polled.element)) {
            return fmt::format("b{}", barrier->checkpoint_id);
        }
        return "end";
    }

    test::SlotWorld world_;
    test::ManualClock clock_;
    std::deque<ScriptedChannel> channels_;
    std::optional<InputGate> gate_;
};

data::CheckpointBarrier barrier(std::uint64_t id) {
    return {.checkpoint_id = id, .triggered_at_ms = 0};
}

TEST_CASE("InputGate takes its channels in turn, and says of which input a batch is",
          "[task][input_gate]") {
    GateWorld world({1, 2});
    for (std::size_t channel = 0; channel < 3; ++channel) {
        for (int i = 0; i < 2; ++i) {
            world.push(channel, world.rows(static_cast<std::int64_t>(10 * channel) + i));
        }
    }
    REQUIRE(world.drain() == "0:0 1:10 1:20 0:1 1:11 1:21");
}

TEST_CASE("InputGate raises the watermark to the smallest of all channels", "[task][input_gate]") {
    GateWorld world({2});
    world.push(0, data::Watermark{10});
    REQUIRE(world.drain().empty());  // The other one has said nothing yet.
    world.push(1, data::Watermark{7});
    REQUIRE(world.drain() == "w7");
    world.push(0, data::Watermark{20});
    REQUIRE(world.drain().empty());
    world.push(1, data::Watermark{9});
    REQUIRE(world.drain() == "w9");
}

TEST_CASE("InputGate never lets a watermark fall", "[task][input_gate]") {
    GateWorld world({1});
    world.push(0, data::Watermark{10});
    world.push(0, data::Watermark{5});
    world.push(0, data::Watermark{11});
    REQUIRE(world.drain() == "w10 w11");
}

constexpr data::Watermark kIdle{.event_time_ms = data::kNoEventTime, .is_idle = true};

TEST_CASE("A channel that is idle holds the watermark back no more, until it speaks again",
          "[task][input_gate]") {
    GateWorld world({2});
    world.push(0, data::Watermark{10});
    REQUIRE(world.drain().empty());  // The other one has said nothing yet.
    world.push(1, kIdle);
    REQUIRE(world.drain() == "w10");
    world.push(0, data::Watermark{20});
    REQUIRE(world.drain() == "w20");
    world.push(1, data::Watermark{15});
    world.push(0, data::Watermark{30});
    REQUIRE(world.drain().empty());
    world.push(1, data::Watermark{25});
    REQUIRE(world.drain() == "w25");
}

TEST_CASE("A gate whose channels are all idle is idle at the latest time of all",
          "[task][input_gate]") {
    GateWorld world({2});
    world.push(0, data::Watermark{10});
    world.push(1, data::Watermark{20});
    REQUIRE(world.drain() == "w10");
    const std::size_t first = GENERATE(0U, 1U);
    world.push(first, kIdle);
    REQUIRE(world.drain() == (first == 0 ? "w20" : ""));
    world.push(1 - first, kIdle);
    REQUIRE(world.drain() == "i20");
    world.push(0, kIdle);
    REQUIRE(world.drain().empty());
    world.push(0, data::Watermark{12});
    REQUIRE(world.drain() == "w20");  // Nothing newer, but idle no more.
    world.push(0, data::Watermark{21});
    REQUIRE(world.drain() == "w21");
}

TEST_CASE("A gate of which the channels that have not ended are idle is idle",
          "[task][input_gate]") {
    GateWorld world({2});
    SECTION("and may never have had a time") {
        world.push(1, data::EndOfInput{});
        REQUIRE(world.drain().empty());
        world.push(0, kIdle);
        REQUIRE(world.drain() == "i");
    }
    SECTION("and keeps the time that it had") {
        world.push(0, kIdle);
        world.push(1, data::Watermark{10});
        world.push(1, data::EndOfInput{});
        REQUIRE(world.drain() == "w10 i10");
    }
}

TEST_CASE("A channel that ended holds the watermark back no more", "[task][input_gate]") {
    GateWorld world({2});
    world.push(0, data::Watermark{10});
    world.push(1, data::EndOfInput{});
    REQUIRE(world.drain() == "w10");
    world.push(0, data::EndOfInput{});
    REQUIRE(world.drain() == "end");
}

TEST_CASE("InputGate does not poll a channel behind its barrier until all have come",
          "[task][input_gate]") {
    GateWorld world({2});
    world.push(0, barrier(1));
    world.push(0, world.rows(50));
    world.push(1, world.rows(1));
    REQUIRE(world.drain() == "0:1");
    REQUIRE(world.channel(0).elements.size() == 1);
    world.clock().advance(std::chrono::milliseconds(30));
    world.push(1, barrier(1));
    REQUIRE(world.drain() == "b1 0:50");
    REQUIRE(world.gate().last_alignment() == std::chrono::milliseconds(30));
}

TEST_CASE("InputGate goes on when the checkpoint that it aligns is aborted", "[task][input_gate]") {
    GateWorld world({2});
    world.push(0, barrier(1));
    world.push(0, world.rows(50));
    REQUIRE(world.drain().empty());
    world.gate().abort(1);
    REQUIRE(world.drain() == "0:50");
    world.push(1, barrier(1));
    REQUIRE(world.drain().empty());
}

TEST_CASE("InputGate finds what stands behind an element that says nothing new",
          "[task][input_gate]") {
    const std::size_t channels = GENERATE(1U, 2U, 5U);
    GateWorld world({channels});
    world.push(0, data::Watermark{1});
    world.push(0, barrier(3));
    world.gate().abort(3);
    world.push(0, data::Watermark{1});
    world.push(0, world.rows(9));
    const std::string rows = world.drain();
    REQUIRE(rows.ends_with("0:9"));
}

TEST_CASE("The end of the last channel brings watermark, barrier and end in this order",
          "[task][input_gate]") {
    GateWorld world({2});
    world.push(0, data::Watermark{5});
    world.push(0, barrier(1));
    world.push(0, data::EndOfInput{});
    world.push(1, data::EndOfInput{});
    REQUIRE(world.drain() == "w5 b1 end");
}

TEST_CASE("InputGate fails with the reason of the first failed channel", "[task][input_gate]") {
    GateWorld world({2});
    world.push(1, world.rows(3));
    world.channel(1).failure = Error{Code::kUnavailable, "tm-2 is gone"};
    REQUIRE(world.drain() == "0:3failed: tm-2 is gone");
}

TEST_CASE("InputGate does not ask an ended channel whether it failed", "[task][input_gate]") {
    GateWorld world({2});
    world.push(0, data::EndOfInput{});
    world.channel(0).failure = Error{Code::kCancelled, "the sender closed"};
    world.push(1, world.rows(3));
    REQUIRE(world.drain() == "0:3");
}

TEST_CASE("InputGate attaches every channel to the task's waker", "[task][input_gate]") {
    GateWorld world({1, 2});
    test::CountingWaker waker;
    world.gate().attach(waker);
    for (std::size_t i = 0; i < 3; ++i) REQUIRE(world.channel(i).waker() == &waker);
}

}  // namespace
}  // namespace millrace::task
