// Both ends of Partitioning::kSplit: the edge that keeps a subtask's rows together, and the gate
// whose reader takes inputs one by one.

#include "runtime/task/split_edge.h"

#include <deque>
#include <set>

#include <catch2/catch.hpp>

#include "runtime/task/input_gate.h"
#include "runtime/task/local_channel.h"
#include "tests/support/manual_clock.h"
#include "tests/support/slot_world.h"
#include "tests/task/counting_waker.h"
#include "tests/task/rows.h"
#include "tests/task/task_world.h"

namespace millrace::task {
namespace {

struct SplitWorld {
    explicit SplitWorld(std::size_t count) {
        for (std::size_t i = 0; i < count; ++i) {
            LocalChannel& channel = channels.emplace_back(std::size_t{1} << 10);
            channel.attach_consumer(consumer);
            outputs.push_back(&channel);
        }
    }
    data::BatchPtr rows(std::int64_t first) {
        return test::make_rows(memory.batches(), 0, first, 1);
    }

    test::SlotWorld memory;
    test::ManualClock clock;
    test::CountingWaker consumer;
    test::CountingWaker producer;
    std::deque<LocalChannel> channels;
    std::vector<OutputChannel*> outputs;
};

TEST_CASE("A split edge sends all rows of a subtask to one other, and control to all",
          "[task][split_edge]") {
    const std::uint32_t subtask = GENERATE(0U, 1U, 2U, 5U);
    SplitWorld world(3);
    const auto edge = make_split_edge(world.outputs, subtask);
    edge->attach(world.producer);
    for (std::int64_t row = 0; row < 4; ++row) {
        REQUIRE(edge->has_room());
        REQUIRE(edge->place(world.rows(row), world.clock.now()));
    }
    REQUIRE(edge->place_control(data::EndOfInput{}, world.clock.now()));
    for (std::size_t i = 0; i < 3; ++i) {
        REQUIRE(test::drain(world.channels[i]) == (i == subtask % 3 ? "0 1 2 3 end" : "end"));
    }
}

TEST_CASE("A split edge waits for its own channel only", "[task][split_edge]") {
    SplitWorld world(2);
    const auto edge = make_split_edge(world.outputs, 1);
    edge->attach(world.producer);
    while (world.channels[0].has_room()) world.channels[0].push(world.rows(0));
    REQUIRE(edge->has_room());
    while (edge->has_room()) REQUIRE(edge->place(world.rows(1), world.clock.now()));
    REQUIRE_FALSE(world.channels[1].has_room());
    test::drain(world.channels[0]);
    REQUIRE_FALSE(edge->has_room());
}

// Takes the inputs that a test allows.
class PickyStep final : public operators::Step {
  public:
    Status open(operators::OperatorContext&) override { return {}; }
    Result<operators::Progress> process(const data::BatchPtr&, std::uint32_t,
                                        operators::Output&) override {
        return operators::Progress::kDone;
    }
    [[nodiscard]] bool takes(std::uint32_t input) const override {
        return !refused.contains(input);
    }

    std::set<std::uint32_t> refused;
};

// What the gate gives now, in words.
std::string drain(InputGate& gate, const test::ManualClock& clock, const operators::Step& reader) {
    std::string text;
    while (true) {
        const auto polled = gate.poll(clock.now(), &reader);
        REQUIRE(polled);
        if (!*polled) return text;
        if (!text.empty()) text += " ";
        const GateElement& element = **polled;
        if (element.ends_input) {
            text += fmt::format("{} ends", element.input);
        } else if (const auto* batch = std::get_if<data::BatchPtr>(&element.element)) {
            text += fmt::format("{}:{}", element.input, test::ordinals_of(**batch).front());
        } else if (std::holds_alternative<data::CheckpointBarrier>(element.element)) {
            text += "barrier";
        } else {
            text += "end";
        }
    }
}

TEST_CASE("A gate leaves inputs alone that its reader does not take", "[task][input_gate]") {
    SplitWorld world(2);
    const std::vector<std::vector<InputChannel*>> inputs{{&world.channels[0]},
                                                         {&world.channels[1]}};
    InputGate gate(inputs);
    PickyStep reader;
    world.channels[0].push(world.rows(1));
    world.channels[1].push(world.rows(2));
    reader.refused = {0};
    REQUIRE(drain(gate, world.clock, reader) == "1:2");
    REQUIRE(world.channels[0].queued_bytes() > 0);
    reader.refused = {};
    REQUIRE(drain(gate, world.clock, reader) == "0:1");
}

TEST_CASE("A gate asks its reader for nothing while it aligns a barrier", "[task][input_gate]") {
    SplitWorld world(2);
    const std::vector<std::vector<InputChannel*>> inputs{{&world.channels[0]},
                                                         {&world.channels[1]}};
    InputGate gate(inputs);
    PickyStep reader;
    // Input 0 is ahead and waits for row 3, which stands behind the barrier of input 1.
    reader.refused = {0};
    world.channels[0].push(world.rows(1));
    world.channels[0].push(data::CheckpointBarrier{.checkpoint_id = 1});
    world.channels[0].push(world.rows(2));
    REQUIRE(drain(gate, world.clock, reader).empty());
    world.channels[1].push(data::CheckpointBarrier{.checkpoint_id = 1});
    world.channels[1].push(world.rows(3));
    REQUIRE(drain(gate, world.clock, reader) == "0:1 barrier 1:3");
    reader.refused = {};
    REQUIRE(drain(gate, world.clock, reader) == "0:2");
}

TEST_CASE("A gate tells its reader the end of each input, and then of all", "[task][input_gate]") {
    SplitWorld world(3);
    const std::vector<std::vector<InputChannel*>> inputs{{&world.channels[0], &world.channels[1]},
                                                         {&world.channels[2]}};
    InputGate gate(inputs);
    const PickyStep reader;
    world.channels[0].push(data::EndOfInput{});
    world.channels[2].push(world.rows(7));
    world.channels[2].push(data::EndOfInput{});
    REQUIRE(drain(gate, world.clock, reader) == "1:7 1 ends");
    world.channels[1].push(data::EndOfInput{});
    REQUIRE(drain(gate, world.clock, reader) == "0 ends end");
}

}  // namespace
}  // namespace millrace::task
