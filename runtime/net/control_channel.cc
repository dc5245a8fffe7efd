#include "runtime/net/control_channel.h"

#include <algorithm>
#include <array>
#include <deque>
#include <optional>
#include <set>
#include <utility>

#include "runtime/base/check.h"
#include "runtime/net/tcp.h"
#include "runtime/net/wire_faults.h"

namespace millrace::net {
namespace {

constexpr std::size_t kReadBytes = 64U << 10;
constexpr std::size_t kMessagesPerWrite = TcpStream::kPartsMax / 2;

FrameRules make_rules(const std::vector<FrameRules::Rule>& messages) {
    FrameRules rules{{kHelloType, kHelloBytesMax},
                     {kHelloAcceptedType, kHelloBytesMax},
                     {kRefusedType, kHelloBytesMax}};
    for (const FrameRules::Rule& rule : messages) {
        MILLRACE_CHECK_GE(rule.type, kMessageTypeFirst);
        MILLRACE_CHECK_LE(rule.payload_bytes_max, kControlPayloadBytesMax);
        rules.add(rule);
    }
    return rules;
}

enum class Side : unsigned char { kServer, kClient };

}  // namespace

class ControlPort : public std::enable_shared_from_this<ControlPort> {
  public:
    struct Setup {
        EventLoop& loop;
        const Clock& clock;
        metrics::MetricGroup& metrics;
        Side side;
        Hello self;
        const std::vector<FrameRules::Rule>& messages;
        ControlLimits limits;
        ControlCallbacks callbacks;
    };

    explicit ControlPort(Setup setup)
        : loop(setup.loop),
          side(setup.side),
          rules(make_rules(setup.messages)),
          limits(setup.limits),
          callbacks(std::move(setup.callbacks)),
          faults(setup.clock, setup.metrics,
                 setup.side == Side::kServer ? "control" : "control_client"),
          self(std::move(setup.self)),
          listener(setup.loop) {}

    void adopt(std::unique_ptr<TcpStream> stream);
    void report_closed(const ControlHandle& connection, Error reason, bool was_open);
    void report_failed(Error reason);
    Status judge(const Hello& theirs) const;
    void close_all(const Error& reason);

    // Constant after construction.
    EventLoop& loop;
    const Side side;
    const FrameRules rules;
    const ControlLimits limits;
    const ControlCallbacks callbacks;

    WireFaults faults;
    Hello self;
    std::set<ControlHandle> connections;

    TcpListener listener;  // The server's.

    std::unique_ptr<TcpConnect> attempt;  // The client's, while TCP connects,
    ControlClient::OnFailed on_failed;    // until the hello was answered,
    std::optional<TimePoint> hello_due;   // which is due at this time.
};

// The two ends run the same machine:
//
//   kWaiting --hello agreed--> kOpen --close_when_sent()--> kDraining --sent--> kClosed
//      |                         |                                                ^
//      +--refused: kDraining     +--fault, close(), peer gone---------------------+
struct ControlConnection::State {
    enum class Phase : unsigned char { kWaiting, kOpen, kDraining, kClosed };
    struct Message {
        FrameHeaderBytes header;
        std::vector<std::byte> payload;
    };

    State(const std::shared_ptr<ControlPort>& owner, std::unique_ptr<TcpStream> opened)
        : port(owner),
          loop(owner->loop),
          limits(owner->limits),
          stream(std::move(opened)),
          decoder(owner->rules),
          read_space(kReadBytes) {}

    void start(const ControlHandle& handle, ControlPort& owner);
    void on_readable();
    void on_written(const Status& written);
    void on_frame(ControlPort& owner, std::uint16_t type, std::span<const std::byte> payload);
    void on_hello(ControlPort& owner, std::uint16_t type, std::span<const std::byte> payload);
    void on_answer(ControlPort& owner, std::uint16_t type, std::span<const std::byte> payload);
    void open(ControlPort& owner, Hello theirs);
    void fault(ControlPort& owner, WireFault kind, Error reason);
    void refuse(ControlPort& owner, Error reason);
    void enqueue(std::uint16_t type, std::vector<std::byte> payload);
    void write_queued();
    void drain(Error reason);
    void close(Error reason);
    void set_deadline(Duration delay, WireFault kind, Error reason);

    const std::weak_ptr<ControlPort> port;  // Empty once server or client are gone.
    EventLoop& loop;
    const ControlLimits limits;
    const std::unique_ptr<TcpStream> stream;
    std::weak_ptr<ControlConnection> self;
    FrameDecoder decoder;
    std::vector<std::byte> read_space;
    Phase phase = Phase::kWaiting;
    bool was_open = false;
    Hello peer;
    std::deque<Message> waiting;   // Messages that no write covers yet.
    std::vector<Message> writing;  // Messages that the write under way covers.
    std::size_t queued_bytes = 0;  // Frame bytes of both.
    bool is_writing = false;
    TimerId deadline{};
    Error drain_reason;
};

void ControlConnection::State::start(const ControlHandle& handle, ControlPort& owner) {
    self = handle;
    stream->set_events({
        .on_readable =
            [this] {
                const auto keep = self.lock();
                on_readable();
            },
        .on_written =
            [this](const Status& written) {
                const auto keep = self.lock();
                on_written(written);
            },
    });
    Duration delay = limits.hello_deadline;
    if (owner.side == Side::kClient) {
        delay = *owner.hello_due - SystemClock().now();
        enqueue(kHelloType, encode_hello(owner.self));
    }
    set_deadline(delay, WireFault::kHelloLate,
                 {Code::kDeadlineExceeded,
                  fmt::format("no hello from {} before the deadline", stream->peer().to_string())});
    stream->await_readable();
}

void ControlConnection::State::on_readable() {
    const auto owner = port.lock();
    if (owner == nullptr) return;
    auto read = stream->read_now(read_space);
    if (!read) {
        close(std::move(read).error());
        return;
    }
    const auto fed =
        decoder.feed(std::span(read_space).first(*read),
                     [this, &owner](std::uint16_t type, std::span<const std::byte> payload) {
                         on_frame(*owner, type, payload);
                     });
    if (!fed) {
        fault(*owner, fed.error().kind, fed.error().to_error());
        return;
    }
    // Also while draining, so that the peer's closing is seen.
    if (phase != Phase::kClosed) stream->await_readable();
}

void ControlConnection::State::on_frame(ControlPort& owner, std::uint16_t type,
                                        std::span<const std::byte> payload) {
    if (phase == Phase::kWaiting) {
        if (owner.side == Side::kServer) {
            on_hello(owner, type, payload);
        } else {
            on_answer(owner, type, payload);
        }
    } else if (phase == Phase::kOpen) {
        if (type < kMessageTypeFirst) {
            fault(owner, WireFault::kOutOfPlace,
                  {Code::kCorruption, fmt::format("frame of type {} after the hello", type)});
            return;
        }
        owner.callbacks.on_message(self.lock(), type,
                                   {reinterpret_cast<const char*>(payload.data()), payload.size()});
    }
}

void ControlConnection::State::on_hello(ControlPort& owner, std::uint16_t type,
                                        std::span<const std::byte> payload) {
    if (type != kHelloType) {
        fault(owner, WireFault::kOutOfPlace,
              {Code::kCorruption, fmt::format("frame of type {} before the hello", type)});
        return;
    }
    auto theirs = decode_hello(payload);
    if (!theirs) {
        fault(owner, WireFault::kBadPayload, std::move(theirs).error());
        return;
    }
    if (Status judged = owner.judge(*theirs); !judged) {
        refuse(owner, std::move(judged).error());
        return;
    }
    enqueue(kHelloAcceptedType, encode_hello(owner.self));
    open(owner, *std::move(theirs));
}

void ControlConnection::State::on_answer(ControlPort& owner, std::uint16_t type,
                                         std::span<const std::byte> payload) {
    if (type == kRefusedType) {
        auto reason = decode_error(payload);
        close(reason ? std::move(*reason).with_context(
                           fmt::format("{} refused", stream->peer().to_string()))
                     : std::move(reason).error());
        return;
    }
    if (type != kHelloAcceptedType) {
        fault(owner, WireFault::kOutOfPlace,
              {Code::kCorruption, fmt::format("frame of type {} in answer to a hello", type)});
        return;
    }
    auto theirs = decode_hello(payload);
    if (!theirs) {
        fault(owner, WireFault::kBadPayload, std::move(theirs).error());
    } else if (Status judged = owner.judge(*theirs); !judged) {
        fault(owner, WireFault::kHelloRefused, std::move(judged).error());
    } else {
        open(owner, *std::move(theirs));
    }
}

void ControlConnection::State::open(ControlPort& owner, Hello theirs) {
    loop.cancel(deadline);
    peer = std::move(theirs);
    phase = Phase::kOpen;
    was_open = true;
    owner.on_failed = nullptr;
    owner.callbacks.on_open(self.lock());
}

void ControlConnection::State::fault(ControlPort& owner, WireFault kind, Error reason) {
    if (phase == Phase::kClosed) return;
    owner.faults.record(kind, stream->peer().to_string(), reason.message);
    close(std::move(reason));
}

void ControlConnection::State::refuse(ControlPort& owner, Error reason) {
    owner.faults.record(WireFault::kHelloRefused, stream->peer().to_string(), reason.message);
    enqueue(kRefusedType, encode_error(reason));
    drain(std::move(reason));
}

void ControlConnection::State::enqueue(std::uint16_t type, std::vector<std::byte> payload) {
    const FrameHeaderBytes header = make_frame_header(type, payload);
    queued_bytes += header.size() + payload.size();
    waiting.push_back({header, std::move(payload)});
    write_queued();
}

void ControlConnection::State::write_queued() {
    if (is_writing || waiting.empty() || phase == Phase::kClosed) return;
    const std::size_t count = std::min(waiting.size(), kMessagesPerWrite);
    const auto last = waiting.begin() + static_cast<std::ptrdiff_t>(count);
    writing.assign(std::make_move_iterator(waiting.begin()), std::make_move_iterator(last));
    waiting.erase(waiting.begin(), last);
    std::array<std::span<const std::byte>, TcpStream::kPartsMax> parts;
    std::size_t part_count = 0;
    for (const Message& message : writing) {
        parts[part_count++] = message.header;
        parts[part_count++] = message.payload;
    }
    is_writing = true;
    stream->write(std::span(parts).first(part_count));
}

void ControlConnection::State::on_written(const Status& written) {
    is_writing = false;
    if (!written) {
        close(written.error());
        return;
    }
    for (const Message& message : writing) {
        queued_bytes -= message.header.size() + message.payload.size();
    }
    writing.clear();
    write_queued();
    if (phase == Phase::kDraining && !is_writing) close(std::move(drain_reason));
}

void ControlConnection::State::drain(Error reason) {
    if (phase == Phase::kClosed || phase == Phase::kDraining) return;
    if (!is_writing) {
        close(std::move(reason));
        return;
    }
    phase = Phase::kDraining;
    drain_reason = reason;
    set_deadline(limits.hello_deadline, WireFault::kSendQueueFull, std::move(reason));
}

void ControlConnection::State::close(Error reason) {
    if (phase == Phase::kClosed) return;
    phase = Phase::kClosed;
    decoder.stop();
    stream->close();
    loop.cancel(deadline);
    // The owner hears of it from the loop, so that no callback comes from inside send() or close().
    loop.post([handle = self.lock(), weak = port, reason = std::move(reason)]() mutable {
        if (const auto owner = weak.lock()) {
            owner->report_closed(handle, std::move(reason), handle->state_->was_open);
        }
    });
}

void ControlConnection::State::set_deadline(Duration delay, WireFault kind, Error reason) {
    loop.cancel(deadline);
    deadline = loop.post_after(delay, [weak = self, kind, reason = std::move(reason)]() mutable {
        const auto keep = weak.lock();
        if (keep == nullptr) return;
        if (const auto owner = keep->state_->port.lock()) {
            keep->state_->fault(*owner, kind, std::move(reason));
        }
    });
}

void ControlPort::adopt(std::unique_ptr<TcpStream> stream) {
    if (connections.size() >= limits.connections_max) {
        faults.record(WireFault::kTooManyPeers, stream->peer().to_string(),
                      fmt::format("more than {} connections", limits.connections_max));
        return;
    }
    auto state = std::make_unique<ControlConnection::State>(shared_from_this(), std::move(stream));
    const auto connection = std::make_shared<ControlConnection>(std::move(state));
    connections.insert(connection);
    connection->state_->start(connection, *this);
}

void ControlPort::report_closed(const ControlHandle& connection, Error reason, bool was_open) {
    connections.erase(connection);
    if (was_open) {
        callbacks.on_closed(connection, reason);
    } else {
        report_failed(std::move(reason));
    }
}

void ControlPort::report_failed(Error reason) {
    if (const auto failed = std::exchange(on_failed, nullptr)) failed(reason);
}

Status ControlPort::judge(const Hello& theirs) const {
    MILLRACE_TRY(check_hello(self, theirs));
    const Hello& leader = side == Side::kServer ? self : theirs;
    const Hello& follower = side == Side::kServer ? theirs : self;
    if (leader.role != Role::kJobManager || follower.role != Role::kTaskManager) {
        return fail(Code::kInvalidArgument,
                    "not a JobManager and a TaskManager. Hint: check the address of the peer");
    }
    if (leader.leader_epoch < follower.leader_epoch) {
        return fail(Code::kStale,
                    "the JobManager '{}' has epoch {}, but '{}' has followed epoch {}",
                    leader.process_id, std::to_underlying(leader.leader_epoch), follower.process_id,
                    std::to_underlying(follower.leader_epoch));
    }
    return {};
}

void ControlPort::close_all(const Error& reason) {
    listener.stop();
    attempt = nullptr;
    const auto all = connections;
    for (const ControlHandle& connection : all) connection->close(reason);
}

ControlConnection::ControlConnection(std::unique_ptr<State> state) : state_(std::move(state)) {}

ControlConnection::~ControlConnection() { state_->loop.cancel(state_->deadline); }

Status ControlConnection::send(std::uint16_t type, std::string_view payload) {
    MILLRACE_CHECK(state_->loop.is_current_thread());
    if (!is_open()) {
        return fail(Code::kUnavailable, "connection with {} is closed", peer_address().to_string());
    }
    if (const auto port = state_->port.lock()) {
        const auto limit = port->rules.limit_of(type);
        MILLRACE_CHECK(type >= kMessageTypeFirst && limit.has_value());
        MILLRACE_CHECK_LE(payload.size(), std::size_t{*limit});
        const std::size_t bytes_max = state_->limits.send_queue_bytes_max;
        if (queued_bytes() + kFrameHeaderBytes + payload.size() > bytes_max) {
            Error reason{Code::kResourceExhausted,
                         fmt::format("{} does not read: {} bytes are queued, at most {}",
                                     peer_address().to_string(), queued_bytes(), bytes_max)};
            state_->fault(*port, WireFault::kSendQueueFull, reason);
            return std::unexpected(std::move(reason));
        }
    }
    const auto bytes = std::as_bytes(std::span(payload));
    state_->enqueue(type, {bytes.begin(), bytes.end()});
    return {};
}

void ControlConnection::close(Error reason) { state_->close(std::move(reason)); }

void ControlConnection::close_when_sent(Error reason) { state_->drain(std::move(reason)); }

bool ControlConnection::is_open() const { return state_->phase == State::Phase::kOpen; }

const Hello& ControlConnection::peer() const { return state_->peer; }

const Address& ControlConnection::peer_address() const { return state_->stream->peer(); }

std::size_t ControlConnection::queued_bytes() const { return state_->queued_bytes; }

ControlServer::ControlServer(EventLoop& loop, const Clock& clock, metrics::MetricGroup& metrics,
                             Options options, ControlCallbacks callbacks)
    : port_(std::make_shared<ControlPort>(
          ControlPort::Setup{loop, clock, metrics, Side::kServer, std::move(options.self),
                             options.messages, options.limits, std::move(callbacks)})),
      scope_(options.scope) {}

ControlServer::~ControlServer() {
    MILLRACE_CHECK(port_->loop.is_current_thread());
    port_->close_all({Code::kCancelled, "the server is gone"});
}

Status ControlServer::listen(const Address& address) {
    return port_->listener.listen(
        address, scope_, [port = port_.get()](auto stream) { port->adopt(std::move(stream)); });
}

void ControlServer::stop(const Error& reason) { port_->close_all(reason); }

std::uint16_t ControlServer::port() const { return port_->listener.port(); }

std::size_t ControlServer::connection_count() const { return port_->connections.size(); }

const WireFaults& ControlServer::faults() const { return port_->faults; }

ControlClient::ControlClient(EventLoop& loop, const Clock& clock, metrics::MetricGroup& metrics,
                             Options options, ControlCallbacks callbacks)
    : port_(std::make_shared<ControlPort>(
          ControlPort::Setup{loop, clock, metrics, Side::kClient, Hello{}, options.messages,
                             options.limits, std::move(callbacks)})) {}

ControlClient::~ControlClient() {
    MILLRACE_CHECK(port_->loop.is_current_thread());
    port_->on_failed = nullptr;
    port_->close_all({Code::kCancelled, "the client is gone"});
}

void ControlClient::connect(const Address& address, const Hello& hello, Duration deadline,
                            OnFailed on_failed) {
    MILLRACE_CHECK(port_->connections.empty() && port_->attempt == nullptr && !port_->on_failed);
    port_->self = hello;
    port_->on_failed = std::move(on_failed);
    port_->hello_due = SystemClock().now() + deadline;
    port_->attempt = std::make_unique<TcpConnect>(
        port_->loop, address, deadline,
        [port = port_.get(), where = fmt::format("cannot connect to {}", address.to_string())](
            Result<std::unique_ptr<TcpStream>> connected) {
            port->attempt = nullptr;
            if (connected) {
                port->adopt(std::move(*connected));
            } else {
                port->report_failed(std::move(connected).error().with_context(where));
            }
        });
}

void ControlClient::stop(const Error& reason) {
    const bool is_connecting = port_->attempt != nullptr;
    port_->close_all(reason);
    if (is_connecting) {
        port_->loop.post([weak = std::weak_ptr(port_), reason] {
            if (const auto port = weak.lock()) port->report_failed(reason);
        });
    }
}

const WireFaults& ControlClient::faults() const { return port_->faults; }

}  // namespace millrace::net
