#include <thread>

#include <catch2/catch.hpp>

#include "runtime/base/random.h"
#include "tests/net/data_world.h"

namespace millrace::net {
namespace {

using std::chrono::milliseconds;

TEST_CASE("A channel carries buffers and events in order", "[net][data]") {
    DataWorld world;
    const auto gate = world.receiver.gate();
    Receiver receiver(*gate, channel(1));
    Sender sender(world, channel(1));
    for (int i = 0; i < 300; ++i) {
        sender.send(fmt::format("buffer {}", i));
        if (i % 3 == 0) sender.send_event(std::to_string(i));
        REQUIRE(receiver.take() == fmt::format("buffer {}", i));
        if (i % 3 == 0) REQUIRE(receiver.take() == fmt::format("event {}", i));
    }
    sender.drain();
    const ChannelStats stats = sender.output->stats();
    REQUIRE(stats.buffers == 300);
    REQUIRE(stats.events == 100);
    REQUIRE(receiver.input->stats().bytes == stats.bytes);
    REQUIRE(world.sender.registry.to_prometheus().find("millrace_network_buffers_out_total 300") !=
            std::string::npos);
}

TEST_CASE("A channel carries a buffer of every size", "[net][data]") {
    DataWorld world;
    const auto gate = world.receiver.gate();
    Receiver receiver(*gate, channel(1));
    Sender sender(world, channel(1));
    for (const std::size_t bytes : {std::size_t{1}, std::size_t{27}, std::size_t{28},
                                    std::size_t{29}, kBufferBytes - 1, kBufferBytes}) {
        const std::string text(bytes, 'b');
        sender.send(text);
        REQUIRE(receiver.take() == text);
    }
}

TEST_CASE("A sender waits for a task that is deployed later", "[net][data]") {
    DataWorld world;
    Sender sender(world, channel(1));
    sender.send("early");
    sender.send_event("end");
    const auto gate = world.receiver.gate();
    Receiver receiver(*gate, channel(1));
    REQUIRE(receiver.take() == "early");
    REQUIRE(receiver.take() == "event end");
}

TEST_CASE("A receiver that does not poll stops its sender at its credit", "[net][data]") {
    DataWorld world;
    const auto gate = world.receiver.gate(2, 4);
    Receiver receiver(*gate, channel(1));
    Sender sender(world, channel(1), 10);
    // 2 exclusive, 4 floating, 10 in the sender's queue; nothing beyond.
    for (int i = 0; i < 16; ++i) sender.send(std::to_string(i));
    REQUIRE(receiver.bell.wait_until([&] { return receiver.input->stats().queued == 6; }));
    auto buffer = world.sender.buffer("too much");
    REQUIRE_FALSE(sender.output->try_send(buffer));
    REQUIRE_FALSE(buffer.is_empty());
    REQUIRE(sender.output->room() == 0);
    REQUIRE(gate->buffers_in_use() == 6);
    REQUIRE(sender.output->stats().credit == 0);
    REQUIRE(sender.output->stats().starved_ns > 0);
    for (int i = 0; i < 16; ++i) REQUIRE(receiver.take() == std::to_string(i));
    REQUIRE(sender.bell.wait_until([&] { return sender.output->try_send(buffer); }));
    REQUIRE(receiver.take() == "too much");
}

TEST_CASE("A slow receiver stops its own sender and no other", "[net][data]") {
    DataWorld world;
    const auto gate = world.receiver.gate(2, 4);
    Receiver slow(*gate, channel(1));
    Receiver quick(*gate, channel(2));
    Sender to_slow(world, channel(1), 20);
    Sender to_quick(world, channel(2));
    for (int i = 0; i < 20; ++i) to_slow.send(std::to_string(i));
    for (int i = 0; i < 1000; ++i) {
        to_quick.send(std::to_string(i));
        REQUIRE(quick.take() == std::to_string(i));
    }
    for (int i = 0; i < 20; ++i) REQUIRE(slow.take() == std::to_string(i));
}

TEST_CASE("Held buffers keep their credit until they are dropped", "[net][data]") {
    DataWorld world;
    const auto gate = world.receiver.gate(2, 1);
    Receiver receiver(*gate, channel(1));
    Sender sender(world, channel(1));
    for (int i = 0; i < 10; ++i) sender.send(std::to_string(i));
    std::vector<Received> held;
    const auto take_one = [&] {
        REQUIRE(receiver.bell.wait_until([&] {
            auto received = receiver.input->poll();
            if (received) held.push_back(*std::move(received));
            return received.has_value();
        }));
    };
    for (int i = 0; i < 3; ++i) take_one();
    REQUIRE_FALSE(receiver.input->poll());
    REQUIRE(gate->buffers_in_use() == 3);
    memory::NetworkBuffer shared = held[0].buffer.share();
    held.erase(held.begin());
    REQUIRE(gate->buffers_in_use() == 3);
    shared.release();
    take_one();
    REQUIRE(to_text(held.back().buffer.bytes()) == "3");
    held.clear();
    for (int i = 4; i < 10; ++i) REQUIRE(receiver.take() == std::to_string(i));
}

TEST_CASE("Events have a window of their own", "[net][data]") {
    DataWorld world;
    const auto gate = world.receiver.gate();
    Receiver receiver(*gate, channel(1));
    Sender sender(world, channel(1));
    // One window with the receiver, one in the sender's queue; nothing beyond.
    const std::uint32_t limit = 2 * kEventsMax;
    for (std::uint32_t i = 0; i < limit; ++i) sender.send_event(std::to_string(i));
    REQUIRE(receiver.bell.wait_until([&] { return receiver.input->stats().events == kEventsMax; }));
    const auto one_more = to_bytes("x");
    REQUIRE_FALSE(sender.output->try_send_event(one_more));
    for (std::uint32_t i = 0; i < limit; ++i) {
        REQUIRE(receiver.take() == fmt::format("event {}", i));
    }
    const std::string longest(kEventBytesMax, 'e');
    sender.send_event(longest);
    REQUIRE(receiver.take() == "event " + longest);
}

TEST_CASE("A sender that closes is seen after its last element", "[net][data]") {
    DataWorld world;
    const auto gate = world.receiver.gate();
    Receiver receiver(*gate, channel(1));
    {
        Sender sender(world, channel(1));
        sender.send("last");
        sender.send_event("end");
        sender.drain();
    }
    REQUIRE(receiver.take() == "last");
    REQUIRE(receiver.take() == "event end");
    REQUIRE(receiver.take_failure().code == Code::kCancelled);
}

TEST_CASE("A receiver that closes fails its sender and frees the queue", "[net][data]") {
    DataWorld world;
    const auto gate = world.receiver.gate();
    Sender sender(world, channel(1));
    {
        Receiver receiver(*gate, channel(1));
        for (int i = 0; i < 12; ++i) sender.send(std::to_string(i));
        REQUIRE(receiver.take() == "0");
    }
    REQUIRE(gate->buffers_in_use() == 0);
    const Error error = sender.take_failure();
    REQUIRE(error.code == Code::kCancelled);
    REQUIRE(error.message.find("the receiving task has closed the channel") != std::string::npos);
    REQUIRE(world.sender.out->in_use() == 0);
    // What is sent to a failed channel is dropped.
    auto buffer = world.sender.buffer("late");
    REQUIRE(sender.output->try_send(buffer));
    REQUIRE(sender.output->is_drained());
    REQUIRE(world.sender.out->in_use() == 0);
}

TEST_CASE("One channel of a connection closes while others go on", "[net][data]") {
    DataWorld world;
    const auto gate = world.receiver.gate();
    Receiver stays(*gate, channel(1));
    Sender to_stays(world, channel(1));
    for (std::uint64_t round = 2; round < 12; ++round) {
        Sender to_goes(world, channel(round));
        Receiver goes(*gate, channel(round));
        for (int i = 0; i < 12; ++i) to_goes.send("x");
        to_stays.send(std::to_string(round));
        REQUIRE(goes.take() == "x");
        goes.input.reset();
        REQUIRE(stays.take() == std::to_string(round));
    }
}

TEST_CASE("The loss of a connection fails both ends with a reason", "[net][data]") {
    DataWorld world;
    const auto gate = world.receiver.gate();
    Receiver receiver(*gate, channel(1));
    Sender sender(world, channel(1));
    for (int i = 0; i < 15; ++i) sender.send("x");
    REQUIRE(receiver.take() == "x");
    const bool is_sender = GENERATE(true, false);
    CAPTURE(is_sender);
    (is_sender ? world.sender : world.receiver)
        .plane.close({Code::kUnavailable, "pulled the plug"});
    const Error at_receiver = receiver.take_failure();
    const Error at_sender = sender.take_failure();
    CAPTURE(at_receiver.message, at_sender.message);
    REQUIRE(at_receiver.code == Code::kUnavailable);
    REQUIRE(at_sender.code == Code::kUnavailable);
    const Error& told = is_sender ? at_receiver : at_sender;
    REQUIRE(told.message.find("127.0.0.1") != std::string::npos);
    REQUIRE(gate->buffers_in_use() == 0);
    REQUIRE(world.sender.out->in_use() == 0);
}

TEST_CASE("A new channel connects again after a loss", "[net][data]") {
    DataWorld world;
    {
        Station other(data_options("tm-3"));
        const auto gate = other.gate();
        Receiver receiver(*gate, channel(1));
        const auto first = world.sender.plane.open_output(other.address(), channel(1), {});
        other.plane.close({Code::kUnavailable, "gone"});
    }
    const auto gate = world.receiver.gate();
    for (std::uint64_t round = 1; round <= 3; ++round) {
        Receiver receiver(*gate, channel(round));
        Sender sender(world, channel(round));
        sender.send("again");
        REQUIRE(receiver.take() == "again");
    }
}

TEST_CASE("An unreachable receiver fails the sender with the cause", "[net][data]") {
    DataWorld world;
    Bell bell;
    const auto output = world.sender.plane.open_output({"127.0.0.1", 1}, channel(1), {});
    output->attach(bell);
    REQUIRE(bell.wait_until([&] { return output->failure() != nullptr; }));
    REQUIRE(output->failure()->code == Code::kUnavailable);
    REQUIRE(output->failure()->message.find("127.0.0.1:1: Connection refused") !=
            std::string::npos);
}

TEST_CASE("Attempts that are behind are fenced", "[net][data]") {
    DataWorld world;
    const auto gate = world.receiver.gate();
    SECTION("when they open a channel") {
        world.receiver.plane.set_attempt(channel(1).job, Attempt{3});
        Sender sender(world, channel(1, 2));
        const Error error = sender.take_failure();
        REQUIRE(error.code == Code::kStale);
        REQUIRE(error.message.find("attempt 2 is behind attempt 3") != std::string::npos);
        REQUIRE(gate->open_input(channel(1, 2)).error().code == Code::kStale);
    }
    SECTION("while they run") {
        Receiver receiver(*gate, channel(1, 2));
        Sender sender(world, channel(1, 2));
        sender.send("x");
        REQUIRE(receiver.take() == "x");
        world.receiver.plane.set_attempt(channel(1).job, Attempt{3});
        REQUIRE(receiver.take_failure().code == Code::kStale);
        REQUIRE(sender.take_failure().code == Code::kStale);
    }
    SECTION("at the sender, too") {
        Receiver receiver(*gate, channel(1, 2));
        Sender sender(world, channel(1, 2));
        sender.send("x");
        REQUIRE(receiver.take() == "x");
        world.sender.plane.set_attempt(channel(1).job, Attempt{3});
        REQUIRE(sender.take_failure().code == Code::kStale);
        REQUIRE(receiver.take_failure().code == Code::kStale);
    }
    SECTION("but not those of another job") {
        world.receiver.plane.set_attempt({1, 1}, Attempt{3});
        Receiver receiver(*gate, channel(1, 2));
        Sender sender(world, channel(1, 2));
        sender.send("x");
        REQUIRE(receiver.take() == "x");
    }
}

TEST_CASE("Leader epochs that are behind are fenced", "[net][data]") {
    DataWorld world;
    world.receiver.plane.set_leader_epoch(LeaderEpoch{5});
    world.sender.plane.set_leader_epoch(LeaderEpoch{4});
    Sender sender(world, channel(1));
    const Error error = sender.take_failure();
    REQUIRE(error.code == Code::kStale);
    REQUIRE(error.message.find("leader epoch 4 is behind epoch 5") != std::string::npos);
    world.sender.plane.set_leader_epoch(LeaderEpoch{5});
    const auto gate = world.receiver.gate();
    Receiver receiver(*gate, channel(2));
    Sender current(world, channel(2));
    current.send("x");
    REQUIRE(receiver.take() == "x");
}

TEST_CASE("An open that no task answers is refused at its deadline", "[net][data]") {
    auto options = data_options("tm-3");
    options.open_deadline = milliseconds(30);
    DataWorld world;
    Station impatient(options);
    Bell bell;
    const auto output = world.sender.plane.open_output(impatient.address(), channel(9), {});
    output->attach(bell);
    REQUIRE(bell.wait_until([&] { return output->failure() != nullptr; }));
    REQUIRE(output->failure()->code == Code::kNotFound);
    REQUIRE(output->failure()->message.find("no task has made channel 9") != std::string::npos);
}

TEST_CASE("A gate that the pool cannot fill is refused with the numbers", "[net][data]") {
    Station station(data_options("tm-1"), 70);
    auto gate = station.plane.open_gate(*station.pool, {.name = "g", .floating_floor = 10});
    REQUIRE(gate.error().code == Code::kResourceExhausted);
    auto small = station.gate();
    // 70 less the 64 of the outgoing pool and the floating one: 5, which is two inputs' worth.
    const auto one = small->open_input(channel(1));
    REQUIRE(one);
    const auto two = small->open_input(channel(2));
    REQUIRE(two);
    const auto three = small->open_input(channel(3));
    REQUIRE(three.error().code == Code::kResourceExhausted);
    REQUIRE(three.error().message.find("taskmanager.memory.network") != std::string::npos);
}

// Random buffers through N channels whose consumers have moods of their own.
struct Traffic {
    static constexpr std::uint32_t kExclusive = 2;
    static constexpr std::uint32_t kFloating = 5;

    std::uint64_t seed;
    std::size_t channels;
    int buffers;

    static std::string content(std::uint64_t channel_number, int index) {
        Random random(channel_number * 1'000'003 + static_cast<std::uint64_t>(index));
        std::string text(1 + random.below(kBufferBytes), '\0');
        for (char& c : text) c = static_cast<char>(random.next());
        return text;
    }
    // Sends everything, in a random order over the channels; "end" is the last event of each.
    void produce(DataWorld& world) const {
        Random random(seed);
        Bell bell;
        std::vector<std::unique_ptr<RemoteOutput>> outputs;
        std::vector<int> next(channels, 0);
        for (std::size_t c = 0; c < channels; ++c) {
            outputs.push_back(world.output(channel(c), 3));
            outputs.back()->attach(bell);
        }
        const auto is_done = [&] {
            return std::ranges::all_of(next, [&](int n) { return n > buffers; }) &&
                   std::ranges::all_of(outputs, [](auto& o) { return o->is_drained(); });
        };
        const auto offer = [&](std::size_t c) {
            if (next[c] < buffers) {
                if (!outputs[c]->can_send()) return;
                auto buffer = world.sender.buffer(content(c, next[c]));
                if (outputs[c]->try_send(buffer)) ++next[c];
            } else if (next[c] == buffers) {
                if (outputs[c]->try_send_event(to_bytes("end"))) ++next[c];
            }
        };
        REQUIRE(bell.wait_until([&] {
            for (std::size_t i = 0; i < 4 * channels; ++i) offer(random.below(channels));
            for (std::size_t c = 0; c < channels; ++c) offer(c);
            bell.wake();
            return is_done();
        }));
    }
    // What the consuming thread saw; assertions belong to the case's own thread.
    struct Outcome {
        bool is_finished = false;
        bool is_within_credit = true;
        bool is_equal = true;
    };
    // Takes everything; holds some buffers for a while, and leaves some channels alone at times.
    Outcome consume(RemoteGate& gate, std::vector<std::unique_ptr<RemoteInput>>& inputs) const {
        Random random(seed + 1);
        Bell bell;
        for (const auto& input : inputs) input->attach(bell);
        std::vector<int> next(channels, 0);
        std::vector<Received> held;
        std::size_t ended = 0;
        Outcome outcome;
        const auto check = [&](bool good) { outcome.is_equal = outcome.is_equal && good; };
        const auto take_from = [&](std::size_t c) {
            auto received = inputs[c]->poll();
            if (!received) return;
            if (received->is_event()) {
                check(next[c] == buffers && to_text(received->event) == "end");
                ++ended;
                return;
            }
            check(to_text(received->buffer.bytes()) == content(c, next[c]));
            ++next[c];
            if (random.below(4) == 0) held.push_back(*std::move(received));
        };
        outcome.is_finished = bell.wait_until([&] {
            for (std::size_t i = 0; i < 2 * channels; ++i) take_from(random.below(channels));
            if (gate.buffers_in_use() > kExclusive * channels + kFloating) {
                outcome.is_within_credit = false;
            }
            if (held.size() > kFloating || random.below(8) == 0) held.clear();
            bell.wake();
            return ended == channels;
        });
        held.clear();
        inputs.clear();
        return outcome;
    }
};

TEST_CASE("Random traffic arrives complete, in order and within its credit", "[net][data]") {
    const auto seed = GENERATE(1U, 2U, 3U, 4U);
    CAPTURE(seed);
    const Traffic traffic{.seed = seed, .channels = 1 + 4 * (seed - 1), .buffers = 150};
    DataWorld world;
    const auto gate = world.receiver.gate(Traffic::kExclusive, Traffic::kFloating);
    std::vector<std::unique_ptr<RemoteInput>> inputs;
    for (std::size_t c = 0; c < traffic.channels; ++c) {
        inputs.push_back(*gate->open_input(channel(c)));
    }
    Traffic::Outcome outcome;
    std::thread consumer([&] { outcome = traffic.consume(*gate, inputs); });
    traffic.produce(world);
    consumer.join();
    REQUIRE(outcome.is_finished);
    REQUIRE(outcome.is_equal);
    REQUIRE(outcome.is_within_credit);
    REQUIRE(gate->buffers_in_use() == 0);
    REQUIRE(world.sender.out->in_use() == 0);
}

TEST_CASE("Ends that go away in the middle of random traffic leak no buffer", "[net][data]") {
    const auto seed = GENERATE(1U, 2U, 3U, 4U, 5U, 6U);
    CAPTURE(seed);
    DataWorld world;
    Random random(seed);
    const auto gate = world.receiver.gate(2, 4);
    std::vector<std::unique_ptr<Sender>> senders;
    std::vector<std::unique_ptr<Receiver>> receivers;
    for (std::uint64_t c = 0; c < 6; ++c) {
        receivers.push_back(std::make_unique<Receiver>(*gate, channel(c)));
        senders.push_back(std::make_unique<Sender>(world, channel(c), 20));
    }
    const std::string text(kBufferBytes, 'x');
    while (!senders.empty() || !receivers.empty()) {
        for (const auto& sender : senders) {
            if (!sender->output->can_send()) continue;
            auto buffer = world.sender.buffer(text);
            REQUIRE(sender->output->try_send(buffer));
        }
        for (const auto& receiver : receivers) (void)receiver->input->poll();
        if (!senders.empty() && random.below(20) == 0) {
            senders.erase(senders.begin() + static_cast<long>(random.below(senders.size())));
        }
        if (!receivers.empty() && random.below(20) == 0) {
            receivers.erase(receivers.begin() + static_cast<long>(random.below(receivers.size())));
        }
    }
    REQUIRE(gate->buffers_in_use() == 0);
    REQUIRE(world.sender.out->in_use() == 0);
}

}  // namespace
}  // namespace millrace::net
