#include "runtime/net/tcp_feed.h"

#include <atomic>
#include <optional>
#include <utility>

#include "runtime/net/tcp.h"

namespace millrace::net {

struct TcpFeed::State : std::enable_shared_from_this<State> {
    enum class Turn : std::uint8_t { kLoop, kReader };

    void start(EventLoop& loop, const Address& address, Duration deadline);
    void on_connected(const Address& address, Result<std::unique_ptr<TcpStream>> connected);
    // From here on the loop touches nothing until the reader gives the turn back.
    void hand_over() {
        turn.store(Turn::kReader, std::memory_order_release);
        ring();
    }

    std::function<void()> ring;           // The loop's.
    std::unique_ptr<TcpConnect> connect;  // The loop's.
    std::atomic<Turn> turn{Turn::kLoop};  // Who may touch what follows.
    std::unique_ptr<TcpStream> stream;
    std::optional<Error> failure;
    std::atomic<bool> is_connected{false};
};

void TcpFeed::State::start(EventLoop& loop, const Address& address, Duration deadline) {
    connect = std::make_unique<TcpConnect>(
        loop, address, deadline,
        [weak = weak_from_this(), address](Result<std::unique_ptr<TcpStream>> connected) {
            if (const auto self = weak.lock()) self->on_connected(address, std::move(connected));
        });
}

void TcpFeed::State::on_connected(const Address& address,
                                  Result<std::unique_ptr<TcpStream>> connected) {
    if (!connected) {
        failure = Error{connected.error().code,
                        fmt::format("cannot connect to {}: {}", address.to_string(),
                                    connected.error().message)};
        return hand_over();
    }
    stream = *std::move(connected);
    stream->set_events({.on_readable =
                            [weak = weak_from_this()] {
                                if (const auto self = weak.lock()) self->hand_over();
                            },
                        .on_written = {},
                        .on_writable = {}});
    is_connected.store(true, std::memory_order_relaxed);
    hand_over();
}

TcpFeed::TcpFeed(EventLoop& loop, const Address& address, Duration deadline,
                 std::function<void()> ring)
    : loop_(loop), state_(std::make_shared<State>()) {
    state_->ring = std::move(ring);
    loop_.post(
        [state = state_, &loop, address, deadline] { state->start(loop, address, deadline); });
}

TcpFeed::~TcpFeed() {
    loop_.post([state = std::move(state_)] {
        state->connect.reset();
        state->stream.reset();
    });
}

Result<std::size_t> TcpFeed::read(std::span<std::byte> into) {
    if (state_->turn.load(std::memory_order_acquire) != State::Turn::kReader) return 0;
    if (state_->failure) return std::unexpected(*state_->failure);
    MILLRACE_TRY_ASSIGN(const std::size_t bytes, state_->stream->read_now(into));
    if (bytes > 0) return bytes;
    state_->turn.store(State::Turn::kLoop, std::memory_order_release);
    loop_.post([state = state_] {
        if (state->stream != nullptr) state->stream->await_readable();
    });
    return 0;
}

bool TcpFeed::is_connected() const { return state_->is_connected.load(std::memory_order_relaxed); }

}  // namespace millrace::net
