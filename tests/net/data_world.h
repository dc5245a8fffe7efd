// Two TaskManagers' data planes on loops of their own, and a bell that a case can wait for.

#pragma once

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include <catch2/catch.hpp>

#include "memory/network_buffer_pool.h"
#include "runtime/base/waker.h"
#include "runtime/net/data_frames.h"
#include "runtime/net/data_plane.h"
#include "runtime/net/hello.h"
#include "tests/net/net_world.h"

namespace millrace::net {

inline constexpr std::size_t kBufferBytes = 4096;

class Bell final : public Waker {
  public:
    void wake() noexcept override {
        const std::lock_guard lock(mutex_);
        ++rings_;
        rung_.notify_all();
    }
    // Waits until `condition` holds, looking again at every ring; false after kPatience.
    template <class Condition>
    bool wait_until(Condition condition) {
        const TimePoint deadline = SystemClock().now() + kPatience;
        while (true) {
            const std::uint64_t before = rings();
            if (condition()) return true;
            std::unique_lock lock(mutex_);
            if (!rung_.wait_until(lock, deadline, [&] { return rings_ != before; })) return false;
        }
    }

  private:
    std::uint64_t rings() {
        const std::lock_guard lock(mutex_);
        return rings_;
    }

    std::mutex mutex_;
    std::condition_variable rung_;
    std::uint64_t rings_ = 0;
};

inline DataPlane::Options data_options(std::string process_id) {
    DataPlane::Options options;
    options.cluster = "mill";
    options.process_id = std::move(process_id);
    return options;
}

// One TaskManager's share of the data plane.
struct Station : NetWorld {
    std::unique_ptr<memory::NetworkBufferPool> pool;
    std::unique_ptr<memory::LocalBufferPool> out;
    DataPlane plane;

    explicit Station(DataPlane::Options options, std::uint32_t buffers = 512)
        : plane(loop, clock, metrics, std::move(options)) {
        pool =
            *memory::NetworkBufferPool::create({.buffers = buffers, .buffer_bytes = kBufferBytes});
        out = *pool->create_pool("out", {.buffers_floor = 64, .buffers_ceiling = 256}, [] {});
        REQUIRE(plane.listen({"127.0.0.1", 0}));
    }
    [[nodiscard]] Address address() const { return {"127.0.0.1", plane.port()}; }
    std::unique_ptr<RemoteGate> gate(std::uint32_t exclusive = 2, std::uint32_t floating = 8) {
        auto made = plane.open_gate(*pool, {.name = "gate",
                                            .exclusive_per_channel = exclusive,
                                            .floating_floor = 1,
                                            .floating_ceiling = floating});
        REQUIRE(made);
        return *std::move(made);
    }
    memory::NetworkBuffer buffer(std::string_view text) const {
        auto lent = out->try_lend();
        REQUIRE(lent);
        lent->set_size(text.size());
        const auto bytes = std::as_bytes(std::span(text));
        std::copy(bytes.begin(), bytes.end(), lent->data());
        return *std::move(lent);
    }
};

struct DataWorld {
    Station sender{data_options("tm-1")};
    Station receiver{data_options("tm-2")};

    std::unique_ptr<RemoteOutput> output(const ChannelKey& key, std::uint32_t queue = 10) {
        return sender.plane.open_output(receiver.address(), key, {.queue_buffers_max = queue});
    }
};

inline ChannelKey channel(std::uint64_t number, std::uint32_t attempt = 1) {
    return {.job = {7, 8}, .attempt = Attempt{attempt}, .channel = number};
}

// A receiving end with its bell.
struct Receiver {
    Bell bell;
    std::unique_ptr<RemoteInput> input;

    Receiver(RemoteGate& gate, const ChannelKey& key) {
        auto made = gate.open_input(key);
        REQUIRE(made);
        input = *std::move(made);
        input->attach(bell);
    }
    // The next buffer or event, as text.
    std::string take() {
        std::optional<Received> received;
        REQUIRE(bell.wait_until([&] { return (received = input->poll()).has_value(); }));
        return received->is_event() ? "event " + to_text(received->event)
                                    : to_text(received->buffer.bytes());
    }
    Error take_failure() {
        REQUIRE(bell.wait_until([&] {
            while (input->poll()) {
            }
            return input->failure() != nullptr;
        }));
        return *input->failure();
    }
};

// A sending end with its bell.
struct Sender {
    const Station& station;
    Bell bell;
    std::unique_ptr<RemoteOutput> output;

    Sender(DataWorld& world, const ChannelKey& key, std::uint32_t queue = 10)
        : station(world.sender), output(world.output(key, queue)) {
        output->attach(bell);
    }
    void send(std::string_view text) {
        auto buffer = station.buffer(text);
        REQUIRE(bell.wait_until([&] { return output->try_send(buffer); }));
    }
    void send_event(std::string_view text) {
        REQUIRE(bell.wait_until(
            [&] { return output->try_send_event(std::as_bytes(std::span(text))); }));
    }
    void drain() {
        REQUIRE(bell.wait_until([&] { return output->is_drained(); }));
    }
    Error take_failure() {
        REQUIRE(bell.wait_until([&] { return output->failure() != nullptr; }));
        return *output->failure();
    }
};

// A sender that can break every rule.
class RawSender {
  public:
    explicit RawSender(const Station& station) : peer_(station.plane.port()) {}

    void hello(std::uint64_t epoch = 0, std::string cluster = "mill") {
        const auto payload = encode_hello({.role = Role::kTaskManager,
                                           .leader_epoch = LeaderEpoch{epoch},
                                           .cluster = std::move(cluster),
                                           .process_id = "raw"});
        peer_.send(make_frame_header(kHelloType, payload));
        peer_.send(payload);
    }
    void open(std::uint32_t number, const ChannelKey& key, std::uint64_t epoch = 0) {
        frame(kOpenType, {.channel = number}, encode_open({LeaderEpoch{epoch}, key}));
    }
    void frame(std::uint16_t type, const DataLead& lead, std::span<const std::byte> body) {
        peer_.send(make_data_head(type, lead, body));
        peer_.send(body);
    }
    void raw(std::span<const std::byte> bytes) { peer_.send(bytes); }
    // Waits until the receiver has given credit for `channel`.
    void await_credit() {
        const auto head = make_data_head(kCreditType, {}, {});
        peer_.read_until(to_text(std::span(head).first(12)));
    }
    std::string read_until_closed() { return peer_.read_until_closed(); }
    std::string read_until(std::string_view text) { return peer_.read_until(text); }

  private:
    RawPeer peer_;
};

}  // namespace millrace::net
