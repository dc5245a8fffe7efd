#include "runtime/task/remote_channel.h"

#include <thread>

#include <catch2/catch.hpp>

#include "runtime/task/worker_pool.h"
#include "tests/data/random_batch.h"
#include "tests/net/data_world.h"
#include "tests/support/slot_world.h"
#include "tests/task/task_world.h"

namespace millrace::task {
namespace {

using net::Bell;
using net::channel;
using net::DataWorld;

const data::CodecLimits kLimits{.buffer_bytes = net::kBufferBytes};

// Both ends of a channel between two TaskManagers on loopback.
class Remote {
  public:
    explicit Remote(const data::SchemaPtr& schema = test::row_schema(), std::uint32_t buffers = 8,
                    std::uint64_t number = 1) {
        pool_ = *net_.sender.pool->create_pool(
            "edge", {.buffers_floor = 1, .buffers_ceiling = buffers}, [this] { bell.wake(); });
        gate_ = net_.receiver.gate(2, 4);
        auto received = gate_->open_input(channel(number));
        REQUIRE(received.has_value());
        input.emplace(*std::move(received), schema, memory.batches(), kLimits);
        output.emplace(net_.output(channel(number)), *pool_, schema, memory.batches(), kLimits);
        output->attach_producer(bell);
        input->attach_consumer(bell);
    }
    ~Remote() {
        output.reset();
        input.reset();
    }
    // Waits for the next element; nullopt once the channel failed.
    std::optional<data::Element> take() {
        std::optional<data::Element> element;
        REQUIRE(bell.wait_until([&] {
            element = input->poll();
            return element.has_value() || input->failed() != nullptr;
        }));
        return element;
    }
    void await_room() {
        REQUIRE(bell.wait_until([&] { return output->has_room(); }));
    }
    DataWorld& net() { return net_; }

    test::SlotWorld memory;
    Bell bell;

  private:
    DataWorld net_;
    std::unique_ptr<memory::LocalBufferPool> pool_;
    std::unique_ptr<net::RemoteGate> gate_;

  public:
    std::optional<RemoteInputChannel> input;
    std::optional<RemoteOutputChannel> output;
};

data::CheckpointBarrier barrier(std::uint64_t id) {
    return {.checkpoint_id = id, .triggered_at_ms = 12};
}

TEST_CASE("A remote channel carries every element, in order and unchanged",
          "[task][remote_channel]") {
    Remote remote;
    for (std::int64_t i = 0; i < 200; ++i) {
        remote.await_room();
        remote.output->push(test::make_rows(remote.memory.batches(), 3, i * 7, 7));
        remote.output->push(data::Watermark{i});
        if (i % 5 == 0) remote.output->push(barrier(static_cast<std::uint64_t>(i)));
        const auto batch = remote.take();
        REQUIRE(test::ordinals_of(*std::get<data::BatchPtr>(*batch)).front() == i * 7);
        REQUIRE(std::get<data::BatchPtr>(*batch)->rows() == 7);
        REQUIRE(std::get<data::Watermark>(*remote.take()) == data::Watermark{i});
        if (i % 5 == 0) {
            REQUIRE(std::get<data::CheckpointBarrier>(*remote.take()) ==
                    barrier(static_cast<std::uint64_t>(i)));
        }
    }
    remote.output->push(data::EndOfInput{});
    REQUIRE(std::holds_alternative<data::EndOfInput>(*remote.take()));
    REQUIRE(remote.bell.wait_until([&] { return remote.output->is_settled(); }));
}

TEST_CASE("Batches of any schema arrive as they were, however many buffers they take",
          "[task][remote_channel]") {
    const auto seed = GENERATE(range(1, 15));
    CAPTURE(seed);
    Random random(static_cast<std::uint64_t>(seed));
    const data::SchemaPtr schema = test::random_schema(random, 6);
    Remote remote(schema, 2);
    for (int round = 0; round < 5; ++round) {
        // Texts of up to 6000 bytes: some rows need several buffers of 4096.
        const test::RandomBatch sent = test::random_batch(
            random, schema, 1 + random.below(60), {.text_max = 6000}, remote.memory.batches());
        remote.await_room();
        remote.output->push(sent.batch);
        test::RowTexts rows;
        while (rows.size() < sent.rows.size()) {
            (void)remote.output->has_room();  // Carries on.
            const auto element = remote.input->poll();
            if (!element) {
                REQUIRE(remote.input->failed() == nullptr);
                continue;
            }
            for (std::string& row : test::text_of(*std::get<data::BatchPtr>(*element))) {
                rows.push_back(std::move(row));
            }
        }
        REQUIRE(rows == sent.rows);
    }
}

TEST_CASE("A receiver that does not poll stops its sender, who keeps one batch",
          "[task][remote_channel]") {
    Remote remote;
    std::size_t pushed = 0;
    const auto is_full = [&] {
        for (int i = 0; i < 1000 && remote.output->has_room(); ++i) {
            remote.output->push(test::make_rows(remote.memory.batches(), 0, 0, 150));
            ++pushed;
        }
        // Full for good when every credit is used up.
        return remote.output->stats().credit == 0 && !remote.output->has_room();
    };
    REQUIRE(remote.bell.wait_until(is_full));
    // 2 exclusive and 4 floating buffers there, 10 queued here, 8 in the edge's pool.
    REQUIRE(pushed <= 24);
    REQUIRE(remote.output->free_window() == 0);
    REQUIRE(remote.output->has_control_room());
    std::size_t polled = 0;
    while (polled < pushed * 150) {
        (void)remote.output->has_room();
        if (const auto element = remote.input->poll()) {
            polled += std::get<data::BatchPtr>(*element)->rows();
        }
    }
    remote.await_room();
    REQUIRE(polled == pushed * 150);
}

TEST_CASE("Both ends of a remote channel say why it broke", "[task][remote_channel]") {
    Remote remote;
    remote.output->push(data::Watermark{1});
    REQUIRE(remote.take().has_value());
    remote.net().sender.plane.close({Code::kUnavailable, "the process ended"});
    REQUIRE_FALSE(remote.take().has_value());
    REQUIRE(remote.input->failed()->code == Code::kUnavailable);
    REQUIRE(remote.bell.wait_until([&] { return remote.output->failed() != nullptr; }));
    REQUIRE(remote.output->failed()->message.find("the process ended") != std::string::npos);
}

TEST_CASE("Bytes that are no batch break the channel, not the process", "[task][remote_channel]") {
    DataWorld net;
    test::SlotWorld memory;
    Bell bell;
    const auto gate = net.receiver.gate();
    net::Sender sender(net, channel(9));
    auto received = gate->open_input(channel(9));
    REQUIRE(received.has_value());
    RemoteInputChannel input(*std::move(received), test::row_schema(), memory.batches(), kLimits);
    input.attach_consumer(bell);
    SECTION("in a buffer") { sender.send("this is no slice"); }
    SECTION("in an event") { sender.send_event("nor an event"); }
    REQUIRE(bell.wait_until([&] {
        REQUIRE_FALSE(input.poll().has_value());
        return input.failed() != nullptr;
    }));
    REQUIRE(input.failed()->code == Code::kCorruption);
}

// A task in one TaskManager feeds a task in another one; the network in between is real.
TEST_CASE("Tasks in two TaskManagers deliver every row, cut at the same place",
          "[task][remote_channel][threads]") {
    constexpr std::int64_t kRows = 30'000;
    SystemClock clock;
    DataWorld net;
    test::SlotWorld world;
    metrics::Registry registry;
    test::Listener listener;
    test::LenientPolicy policy;
    test::CutBook book;
    test::TaskSeat sender_seat(world, registry);
    test::TaskSeat receiver_seat(world, registry);
    const Task::Environment environment{clock, registry, listener, policy};
    Task sender({.name = "sender", .labels = {}}, environment, nullptr);
    Task receiver({.name = "receiver", .labels = {}}, environment, nullptr);

    const auto pool = *net.sender.pool->create_pool(
        "edge", {.buffers_floor = 1, .buffers_ceiling = 8}, [&] { sender.wake(); });
    const auto gate = net.receiver.gate(2, 4);
    RemoteInputChannel input(*gate->open_input(channel(1)), test::row_schema(),
                             receiver_seat.batches, kLimits);
    RemoteOutputChannel output(net.output(channel(1)), *pool, test::row_schema(),
                               sender_seat.batches, kLimits);
    sender.chain().add_source(std::make_unique<test::SequenceSource>(book, 0, kRows, 1),
                              test::toy_context("source", clock, sender, sender_seat, world));
    sender.chain().add_edge(0, 0, make_forward_edge(output));
    const std::vector<std::vector<InputChannel*>> inputs{{&input}};
    receiver.chain().add_root(std::make_unique<test::NotingSink>(book, 0, true),
                              test::toy_context("sink", clock, receiver, receiver_seat, world),
                              std::make_unique<InputGate>(inputs));
    listener.running.enter();
    listener.running.enter();
    WorkerPool workers(clock, 2);
    workers.start();
    workers.add(sender);
    workers.add(receiver);
    for (std::uint64_t id = 1; id <= 10; ++id) {
        REQUIRE(sender.trigger_checkpoint(barrier(id)).has_value());
        while (listener.reports(id) < 2 && listener.running.inside() == 2) {
            std::this_thread::yield();
        }
    }
    listener.running.wait_until_empty();
    workers.stop();
    REQUIRE(listener.failures() == std::vector<std::string>{});
    REQUIRE(book.broken() == std::vector<std::string>{});
    REQUIRE(book.rows_of(0).size() == kRows);
    for (auto [id, cut] : book.cuts()) {
        if (cut.subtasks.contains(0)) REQUIRE(cut.rows[0][0] == cut.sources.at(0));
    }
    REQUIRE(listener.reports(1) == 2);
}

TEST_CASE("A task whose channel breaks fails with the reason", "[task][remote_channel][threads]") {
    SystemClock clock;
    test::TaskWorld world;
    DataWorld net;
    const auto gate = net.receiver.gate();
    RemoteInputChannel input(*gate->open_input(channel(1)), test::row_schema(),
                             world.world.batches(), kLimits);
    world.make();
    auto step = std::make_unique<test::ScriptedStep>(world.diary, "step");
    const std::vector<std::vector<InputChannel*>> inputs{{&input}};
    world.task->chain().add_root(
        std::move(step),
        test::toy_context("step", world.clock, *world.task, *world.seat, world.world),
        std::make_unique<InputGate>(inputs));
    net::Sender sender(net, channel(1));
    sender.send_event("x");  // No element looks like that.
    sender.drain();
    WorkerPool workers(clock, 1);
    workers.start();
    workers.add(*world.task);
    world.listener.running.wait_until_empty();
    workers.stop();
    REQUIRE(world.listener.failures().size() == 1);
    REQUIRE(world.task->failure()->code == Code::kCorruption);
}

}  // namespace
}  // namespace millrace::task
