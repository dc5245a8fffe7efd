// What the cases of this folder share: a loop on a thread, values that are waited for with a
// deadline, and a bare socket that can say anything.

#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <arpa/inet.h>
#include <catch2/catch.hpp>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "runtime/base/metrics.h"
#include "runtime/net/event_loop.h"

namespace millrace::net {

inline constexpr std::chrono::seconds kPatience{60};

// Values handed from a callback to the case, in order.
template <class T>
class Mailbox {
  public:
    void put(T value) {
        const std::lock_guard lock(mutex_);
        values_.push_back(std::move(value));
        arrived_.notify_all();
    }
    T take() {
        std::unique_lock lock(mutex_);
        const bool came = arrived_.wait_for(lock, kPatience, [&] { return !values_.empty(); });
        REQUIRE(came);
        T value = std::move(values_.front());
        values_.pop_front();
        return value;
    }
    [[nodiscard]] bool is_empty() const {
        const std::lock_guard lock(mutex_);
        return values_.empty();
    }

  private:
    mutable std::mutex mutex_;
    std::condition_variable arrived_;
    std::deque<T> values_;
};

struct NetWorld {
    SystemClock clock;
    metrics::Registry registry;
    metrics::MetricGroup metrics{registry, {}};
    EventLoopThread thread{"net"};
    EventLoop& loop = thread.loop();

    // Evaluates `fn` on the loop.
    template <class Fn>
    auto on_loop(Fn fn) {
        std::optional<decltype(fn())> value;
        loop.call([&] { value.emplace(fn()); });
        return *std::move(value);
    }
    void on_loop_do(const std::function<void()>& fn) { loop.call(fn); }
};

// A plain blocking TCP client on loopback.
class RawPeer {
  public:
    explicit RawPeer(std::uint16_t port) : descriptor_(::socket(AF_INET, SOCK_STREAM, 0)) {
        sockaddr_in to{};
        to.sin_family = AF_INET;
        to.sin_port = htons(port);
        to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        REQUIRE(::connect(descriptor_, reinterpret_cast<sockaddr*>(&to), sizeof to) == 0);
    }
    RawPeer(RawPeer&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
    RawPeer& operator=(RawPeer&&) = delete;
    ~RawPeer() {
        if (descriptor_ >= 0) ::close(descriptor_);
    }

    void send(std::string_view text) { send(std::as_bytes(std::span(text))); }
    void send(std::span<const std::byte> bytes) {
        // A peer that has closed already is what some cases are about.
        [[maybe_unused]] const auto sent =
            ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    }
    // Everything until the other side closes or has said `enough`.
    std::string read_until(std::string_view enough) {
        std::string text;
        while (text.find(enough) == std::string::npos) {
            const std::string more = read_some();
            if (more.empty()) break;
            text += more;
        }
        return text;
    }
    std::string read_until_closed() { return read_until(std::string_view("\0never\0", 7)); }

  private:
    std::string read_some() {
        pollfd wait{descriptor_, POLLIN, 0};
        const auto patience = std::chrono::milliseconds(kPatience).count();
        REQUIRE(::poll(&wait, 1, static_cast<int>(patience)) == 1);
        char space[4096];
        const auto got = ::recv(descriptor_, space, sizeof space, 0);
        return {space, got > 0 ? static_cast<std::size_t>(got) : 0U};
    }

    int descriptor_;
};

inline std::vector<std::byte> to_bytes(std::string_view text) {
    const auto raw = std::as_bytes(std::span(text));
    return {raw.begin(), raw.end()};
}

inline std::string to_text(std::span<const std::byte> bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace millrace::net
