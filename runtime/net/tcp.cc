#include "runtime/net/tcp.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <string>
#include <utility>
#include <vector>

#include <netinet/tcp.h>
#include <sys/socket.h>

#include "runtime/base/check.h"
#include "runtime/base/log.h"
#include "runtime/net/asio.h"

namespace millrace::net {
namespace {

using SystemError = boost::system::error_code;

// How long to wait before accepting again when the process has no descriptor left.
constexpr std::chrono::milliseconds kAcceptPause{100};

Error stream_error(const Address& peer, const SystemError& error) {
    if (error == asio::error::eof) {
        return {Code::kUnavailable, fmt::format("{} closed the connection", peer.to_string())};
    }
    return {Code::kUnavailable,
            fmt::format("connection with {} failed: {}", peer.to_string(), error.message())};
}

Address to_address(const tcp::endpoint& endpoint) {
    return {endpoint.address().to_string(), endpoint.port()};
}

// Makes a silent peer's death known within TcpStream::kSilenceMax: five seconds of idleness, then
// a probe every two, and the same bound for bytes that nobody acknowledges.
void set_options(tcp::socket& socket) {
    SystemError ignored;
    socket.set_option(tcp::no_delay(true), ignored);
    socket.set_option(asio::socket_base::keep_alive(true), ignored);
    const int descriptor = socket.native_handle();
    const auto set = [descriptor](int option, int value) {
        setsockopt(descriptor, IPPROTO_TCP, option, &value, sizeof value);
    };
    const auto silence_ms = std::chrono::milliseconds(TcpStream::kSilenceMax).count();
    set(TCP_KEEPIDLE, 5);
    set(TCP_KEEPINTVL, 2);
    set(TCP_KEEPCNT, 5);
    set(TCP_USER_TIMEOUT, static_cast<int>(silence_ms));
}

// A list of buffers that Asio copies by reference.
struct PartList {
    using value_type = asio::const_buffer;
    using const_iterator = const asio::const_buffer*;

    const_iterator first;
    const_iterator last;

    [[nodiscard]] const_iterator begin() const { return first; }
    [[nodiscard]] const_iterator end() const { return last; }
};

}  // namespace

struct TcpStream::Socket : std::enable_shared_from_this<Socket> {
    explicit Socket(tcp::socket opened) : socket(std::move(opened)) {
        SystemError ignored;
        peer = to_address(socket.remote_endpoint(ignored));
        set_options(socket);
        socket.non_blocking(true, ignored);
    }

    void set_parts(std::span<const std::span<const std::byte>> list);
    void write_rest();

    tcp::socket socket;
    Address peer;
    Events events;
    bool is_awaiting = false;
    bool is_awaiting_room = false;
    bool is_writing = false;
    std::array<asio::const_buffer, kPartsMax> parts;  // What is left to write.
    std::size_t part_first = 0;
    std::size_t part_end = 0;
};

void TcpStream::Socket::set_parts(std::span<const std::span<const std::byte>> list) {
    MILLRACE_CHECK(!is_writing);
    MILLRACE_CHECK_GE(list.size(), 1U);
    MILLRACE_CHECK_LE(list.size(), kPartsMax);
    part_first = 0;
    part_end = 0;
    for (const auto part : list) parts[part_end++] = asio::buffer(part.data(), part.size());
}

void TcpStream::Socket::write_rest() {
    const PartList rest{parts.data() + part_first, parts.data() + part_end};
    socket.async_write_some(
        rest, [self = shared_from_this()](const SystemError& error, std::size_t written) {
            if (!self->socket.is_open()) return;
            if (error) {
                self->is_writing = false;
                self->events.on_written(std::unexpected(stream_error(self->peer, error)));
                return;
            }
            while (self->part_first < self->part_end &&
                   written >= self->parts[self->part_first].size()) {
                written -= self->parts[self->part_first++].size();
            }
            if (self->part_first < self->part_end) {
                self->parts[self->part_first] += written;
                self->write_rest();
                return;
            }
            self->is_writing = false;
            self->events.on_written({});
        });
}

TcpStream::TcpStream(std::shared_ptr<Socket> socket) : socket_(std::move(socket)) {}

TcpStream::~TcpStream() { close(); }

void TcpStream::set_events(Events events) { socket_->events = std::move(events); }

void TcpStream::await_readable() {
    MILLRACE_CHECK(!socket_->is_awaiting);
    socket_->is_awaiting = true;
    socket_->socket.async_wait(tcp::socket::wait_read, [self = socket_](const SystemError&) {
        // An error shows in the read that follows.
        if (!self->socket.is_open()) return;
        self->is_awaiting = false;
        self->events.on_readable();
    });
}

Result<std::size_t> TcpStream::read_now(std::span<std::byte> first, std::span<std::byte> second) {
    MILLRACE_CHECK(!first.empty());
    const std::array<asio::mutable_buffer, 2> into{asio::buffer(first.data(), first.size()),
                                                   asio::buffer(second.data(), second.size())};
    SystemError error;
    const std::size_t bytes = socket_->socket.read_some(into, error);
    if (error == asio::error::would_block) return 0;
    if (error) return std::unexpected(stream_error(socket_->peer, error));
    return bytes;
}

void TcpStream::write(std::span<const std::span<const std::byte>> parts) {
    socket_->set_parts(parts);
    socket_->is_writing = true;
    socket_->write_rest();
}

Result<std::size_t> TcpStream::write_now(std::span<const std::span<const std::byte>> parts) {
    socket_->set_parts(parts);
    const PartList list{socket_->parts.data(), socket_->parts.data() + socket_->part_end};
    SystemError error;
    const std::size_t bytes = socket_->socket.write_some(list, error);
    if (error == asio::error::would_block) return 0;
    if (error) return std::unexpected(stream_error(socket_->peer, error));
    return bytes;
}

void TcpStream::await_writable() {
    MILLRACE_CHECK(!socket_->is_awaiting_room);
    socket_->is_awaiting_room = true;
    socket_->socket.async_wait(tcp::socket::wait_write, [self = socket_](const SystemError&) {
        if (!self->socket.is_open()) return;
        self->is_awaiting_room = false;
        self->events.on_writable();
    });
}

void TcpStream::shutdown_write() {
    MILLRACE_CHECK(!socket_->is_writing);
    SystemError ignored;
    socket_->socket.shutdown(tcp::socket::shutdown_send, ignored);
}

void TcpStream::close() {
    SystemError ignored;
    socket_->socket.close(ignored);
}

bool TcpStream::is_open() const { return socket_->socket.is_open(); }

const Address& TcpStream::peer() const { return socket_->peer; }

struct TcpListener::Acceptor : std::enable_shared_from_this<Acceptor> {
    explicit Acceptor(asio::io_context& context) : acceptor(context), pause(context) {}

    void accept();
    void accept_later();

    tcp::acceptor acceptor;
    asio::steady_timer pause;
    OnAccept on_accept;
};

void TcpListener::Acceptor::accept() {
    acceptor.async_accept([self = shared_from_this()](const SystemError& error, tcp::socket peer) {
        if (!self->acceptor.is_open()) return;
        if (error == asio::error::connection_aborted) {
            self->accept();
        } else if (error) {
            log::warn("cannot accept a connection, trying again: {}", error.message());
            self->accept_later();
        } else {
            self->accept();
            self->on_accept(
                std::make_unique<TcpStream>(std::make_shared<TcpStream::Socket>(std::move(peer))));
        }
    });
}

void TcpListener::Acceptor::accept_later() {
    pause.expires_after(kAcceptPause);
    pause.async_wait([self = shared_from_this()](const SystemError&) {
        if (self->acceptor.is_open()) self->accept();
    });
}

TcpListener::TcpListener(EventLoop& loop) : loop_(loop) {}

TcpListener::~TcpListener() { stop(); }

Status TcpListener::listen(const Address& address, BindScope scope, OnAccept on_accept) {
    MILLRACE_CHECK(loop_.is_current_thread());
    MILLRACE_CHECK(acceptor_ == nullptr);
    MILLRACE_TRY(check_bind(address, scope));
    SystemError error;
    const auto found = tcp::resolver(loop_.context())
                           .resolve(address.host, std::to_string(address.port),
                                    tcp::resolver::passive | tcp::resolver::numeric_service, error);
    if (error || found.empty()) {
        return fail(Code::kInvalidArgument, "cannot listen on {}: no such host: {}",
                    address.to_string(), error.message());
    }
    const tcp::endpoint endpoint = found.begin()->endpoint();
    auto made = std::make_shared<Acceptor>(loop_.context());
    made->acceptor.open(endpoint.protocol(), error);
    if (!error) made->acceptor.set_option(tcp::acceptor::reuse_address(true), error);
    if (!error) made->acceptor.bind(endpoint, error);
    if (!error) made->acceptor.listen(asio::socket_base::max_listen_connections, error);
    if (error) return std::unexpected(listen_error(address, error.value()));
    made->on_accept = std::move(on_accept);
    acceptor_ = std::move(made);
    acceptor_->accept();
    return {};
}

void TcpListener::stop() {
    if (acceptor_ == nullptr) return;
    SystemError ignored;
    acceptor_->acceptor.close(ignored);
    acceptor_->pause.cancel();
    acceptor_ = nullptr;
}

std::uint16_t TcpListener::port() const {
    if (acceptor_ == nullptr) return 0;
    SystemError ignored;
    return acceptor_->acceptor.local_endpoint(ignored).port();
}

struct TcpConnect::Attempt : std::enable_shared_from_this<Attempt> {
    Attempt(asio::io_context& context, Address to)
        : address(std::move(to)), resolver(context), socket(context), timer(context) {}

    void start(Duration deadline);
    void try_next(const SystemError& last_error);
    void finish(Result<std::unique_ptr<TcpStream>> result);

    Address address;
    tcp::resolver resolver;
    tcp::socket socket;
    asio::steady_timer timer;
    std::vector<tcp::endpoint> endpoints;  // Those not tried yet, last first.
    OnDone on_done;                        // Empty once finished or given up.
};

void TcpConnect::Attempt::start(Duration deadline) {
    timer.expires_after(deadline);
    timer.async_wait([self = shared_from_this(), deadline](const SystemError& error) {
        if (error) return;
        const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(deadline).count();
        self->finish(fail(Code::kDeadlineExceeded, "no answer in {} ms", ms));
    });
    resolver.async_resolve(
        address.host, std::to_string(address.port), tcp::resolver::numeric_service,
        [self = shared_from_this()](const SystemError& error, const auto& found) {
            if (error) {
                self->finish(fail(Code::kUnavailable, "{}", error.message()));
                return;
            }
            for (const auto& entry : found) self->endpoints.push_back(entry.endpoint());
            std::reverse(self->endpoints.begin(), self->endpoints.end());
            self->try_next(asio::error::host_not_found);
        });
}

void TcpConnect::Attempt::try_next(const SystemError& last_error) {
    if (!on_done) return;
    if (endpoints.empty()) {
        finish(fail(Code::kUnavailable, "{}", last_error.message()));
        return;
    }
    const tcp::endpoint endpoint = endpoints.back();
    endpoints.pop_back();
    SystemError ignored;
    socket.close(ignored);
    socket.async_connect(endpoint, [self = shared_from_this()](const SystemError& error) {
        if (!self->on_done) return;
        if (error) {
            self->try_next(error);
            return;
        }
        self->finish(std::make_unique<TcpStream>(
            std::make_shared<TcpStream::Socket>(std::move(self->socket))));
    });
}

void TcpConnect::Attempt::finish(Result<std::unique_ptr<TcpStream>> result) {
    if (!on_done) return;
    const OnDone done = std::exchange(on_done, nullptr);
    timer.cancel();
    resolver.cancel();
    SystemError ignored;
    socket.close(ignored);
    done(std::move(result));
}

TcpConnect::TcpConnect(EventLoop& loop, const Address& address, Duration deadline, OnDone on_done)
    : attempt_(std::make_shared<Attempt>(loop.context(), address)) {
    MILLRACE_CHECK(loop.is_current_thread());
    attempt_->on_done = std::move(on_done);
    attempt_->start(deadline);
}

TcpConnect::~TcpConnect() {
    attempt_->on_done = nullptr;
    attempt_->timer.cancel();
    attempt_->resolver.cancel();
    SystemError ignored;
    attempt_->socket.close(ignored);
}

}  // namespace millrace::net
