#include "runtime/net/http_server.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "runtime/base/check.h"
#include "runtime/base/thread_annotations.h"
#include "runtime/net/tcp.h"

namespace millrace::net {
namespace {

constexpr std::size_t kReadBytes = 16U << 10;
// How long, and for how many bytes, a closing connection listens on, so that the peer reads the
// answer before a reset could take it away.
constexpr std::chrono::seconds kLingerDeadline{2};
constexpr std::size_t kLingerBytesMax = 4U << 20;
// Connections above the limit that are told so at one time; those beyond are just closed.
constexpr std::size_t kRefusalsMax = 64;

constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

// Posts to the loop for as long as the server lives, from any thread.
class LoopDoor {
  public:
    explicit LoopDoor(EventLoop& loop) : loop_(&loop) {}

    void post(std::function<void()> fn) MILLRACE_EXCLUDES(mutex_) {
        const MutexLock lock(mutex_);
        if (loop_ != nullptr) loop_->post(std::move(fn));
    }
    void shut() MILLRACE_EXCLUDES(mutex_) {
        const MutexLock lock(mutex_);
        loop_ = nullptr;
    }

  private:
    Mutex mutex_;
    EventLoop* loop_ MILLRACE_GUARDED_BY(mutex_);
};

HttpResponse plain(int status, std::string_view text) {
    HttpResponse response{.status = status, .content_type = "text/plain; charset=utf-8"};
    response.body = fmt::format("{}\n", text);
    if (status == 503 || status == 429) response.headers.emplace_back("Retry-After", "1");
    return response;
}

enum class AfterAnswer : unsigned char { kKeep, kClose };

std::string make_head(const HttpResponse& response, AfterAnswer after) {
    std::string head = fmt::format(
        "HTTP/1.1 {} {}\r\nContent-Length: {}\r\nX-Content-Type-Options: nosniff\r\n"
        "Connection: {}\r\n",
        response.status, http_reason(response.status), response.body.size(),
        after == AfterAnswer::kKeep ? "keep-alive" : "close");
    if (!response.content_type.empty()) {
        head += fmt::format("Content-Type: {}\r\n", response.content_type);
    }
    for (const auto& [name, value] : response.headers) {
        MILLRACE_CHECK(value.find_first_of("\r\n") == std::string::npos);
        head += fmt::format("{}: {}\r\n", name, value);
    }
    return head += "\r\n";
}

}  // namespace

HttpResponder::HttpResponder(Sink sink) : sink_(std::move(sink)) {}

HttpResponder::HttpResponder(HttpResponder&& other) noexcept
    : sink_(std::exchange(other.sink_, nullptr)) {}

HttpResponder::~HttpResponder() {
    if (sink_) sink_(plain(500, "the request was dropped"));
}

void HttpResponder::send(HttpResponse response) {
    MILLRACE_CHECK(sink_ != nullptr);
    std::exchange(sink_, nullptr)(std::move(response));
}

struct HttpServer::Core {
    class Connection;
    using Handle = std::shared_ptr<Connection>;

    Core(EventLoop& owner, metrics::MetricGroup& metrics, Options given, Handler given_handler)
        : loop(owner),
          options(std::move(given)),
          handler(std::move(given_handler)),
          requests(metrics.counter("millrace_http_requests_total", "Requests answered.")),
          refusals(metrics.counter("millrace_http_refusals_total",
                                   "Requests and connections that broke a limit or the protocol.")),
          door(std::make_shared<LoopDoor>(owner)),
          listener(owner) {}

    void adopt(std::unique_ptr<TcpStream> stream);
    void remove(const Handle& connection);
    bool is_host_served(const HttpRequest& request) const;

    // Constant after construction.
    EventLoop& loop;
    const Options options;
    const Handler handler;
    metrics::Counter& requests;
    metrics::Counter& refusals;

    const std::shared_ptr<LoopDoor> door;
    TcpListener listener;
    std::set<Handle> connections;
    std::map<std::string, std::size_t> per_address;
    std::size_t refused_now = 0;
    std::size_t in_flight = 0;
};

// One connection:
//
//   kReading --request complete--> kHandling --answer--> kWriting --keep-alive--> kReading
//      |                                                    ^  |
//      +--fault: answer and close---------------------------+  +--close--> kLingering --> closed
class HttpServer::Core::Connection : public std::enable_shared_from_this<Connection> {
  public:
    Connection(Core& core, std::unique_ptr<TcpStream> stream)
        : core_(core),
          stream_(std::move(stream)),
          parser_(core.options.limits, core.options.body_limit),
          read_space_(kReadBytes) {}

    void start();
    // Answers `status` without reading a request, then closes.
    void start_refusal(int status, std::string_view text);
    void close();
    [[nodiscard]] const Address& peer() const { return stream_->peer(); }
    [[nodiscard]] bool is_refusal() const { return is_refusal_; }

  private:
    enum class Phase : unsigned char { kReading, kHandling, kWriting, kLingering, kClosed };

    void listen_to_stream();
    void await_readable();
    void on_readable();
    void feed(std::span<const std::byte> bytes);
    void dispatch();
    void on_answer(std::uint64_t serial, HttpResponse response);
    void refuse(int status, std::string_view text);
    void answer(HttpResponse response, AfterAnswer after);
    void write(std::string_view head, std::string_view body);
    void on_written(const Status& written);
    void read_next_request();
    void on_deadline();
    void set_deadline(Duration delay);
    void end_handling();

    Core& core_;
    const std::unique_ptr<TcpStream> stream_;
    HttpRequestParser parser_;
    std::vector<std::byte> read_space_;
    Phase phase_ = Phase::kReading;
    TimerId deadline_{};
    bool is_awaiting_ = false;
    bool is_refusal_ = false;
    bool is_request_timed_ = false;  // The deadline is that of a request that has begun.
    bool is_head_only_ = false;
    bool is_continuing_ = false;  // What is being written is `100 Continue`.
    AfterAnswer after_answer_ = AfterAnswer::kClose;
    std::uint64_t serial_ = 0;  // Of the request in hand; later answers to older ones are dropped.
    std::string head_;
    std::string body_;
    std::size_t lingered_bytes_ = 0;
};

void HttpServer::Core::Connection::start() {
    listen_to_stream();
    set_deadline(core_.options.limits.idle_deadline);
    await_readable();
}

void HttpServer::Core::Connection::start_refusal(int status, std::string_view text) {
    is_refusal_ = true;
    listen_to_stream();
    refuse(status, text);
}

void HttpServer::Core::Connection::listen_to_stream() {
    stream_->set_events({
        .on_readable =
            [this] {
                const auto keep = shared_from_this();
                on_readable();
            },
        .on_written =
            [this](const Status& written) {
                const auto keep = shared_from_this();
                on_written(written);
            },
    });
}

void HttpServer::Core::Connection::await_readable() {
    if (!std::exchange(is_awaiting_, true)) stream_->await_readable();
}

void HttpServer::Core::Connection::on_readable() {
    is_awaiting_ = false;
    // A deadline may have begun an answer meanwhile.
    if (phase_ == Phase::kWriting) return;
    const auto read = stream_->read_now(read_space_);
    if (!read) {
        close();
        return;
    }
    if (phase_ == Phase::kLingering) {
        lingered_bytes_ += *read;
        if (lingered_bytes_ > kLingerBytesMax) {
            close();
        } else {
            await_readable();
        }
        return;
    }
    feed(std::span(read_space_).first(*read));
}

void HttpServer::Core::Connection::feed(std::span<const std::byte> bytes) {
    const auto progress = parser_.feed(bytes);
    if (!progress) {
        refuse(progress.error().status, progress.error().text);
        return;
    }
    if (*progress == HttpRequestParser::Progress::kComplete) {
        dispatch();
        return;
    }
    if (!is_request_timed_ && parser_.has_begun()) {
        is_request_timed_ = true;
        set_deadline(core_.options.limits.request_deadline);
    }
    if (*progress == HttpRequestParser::Progress::kContinue) {
        is_continuing_ = true;
        write(kContinue, {});
    } else {
        await_readable();
    }
}

void HttpServer::Core::Connection::dispatch() {
    after_answer_ = parser_.is_keep_alive() ? AfterAnswer::kKeep : AfterAnswer::kClose;
    HttpRequest request = parser_.take();
    request.peer = stream_->peer();
    is_head_only_ = request.method == "HEAD";
    if (!core_.is_host_served(request)) {
        refuse(403, "this Host is not served here");
        return;
    }
    if (core_.in_flight >= core_.options.limits.in_flight_max) {
        refuse(503, "too many requests are in hand");
        return;
    }
    phase_ = Phase::kHandling;
    ++core_.in_flight;
    set_deadline(core_.options.limits.request_deadline);
    HttpResponder responder(
        [door = core_.door, weak = weak_from_this(), serial = ++serial_](HttpResponse response) {
            door->post([weak, serial, response = std::move(response)]() mutable {
                if (const auto self = weak.lock()) self->on_answer(serial, std::move(response));
            });
        });
    core_.handler(std::move(request), std::move(responder));
}

void HttpServer::Core::Connection::on_answer(std::uint64_t serial, HttpResponse response) {
    if (phase_ != Phase::kHandling || serial != serial_) return;
    end_handling();
    answer(std::move(response), after_answer_);
}

void HttpServer::Core::Connection::end_handling() {
    if (phase_ == Phase::kHandling) --core_.in_flight;
}

void HttpServer::Core::Connection::refuse(int status, std::string_view text) {
    core_.refusals.add();
    answer(plain(status, text), AfterAnswer::kClose);
}

void HttpServer::Core::Connection::answer(HttpResponse response, AfterAnswer after) {
    core_.requests.add();
    phase_ = Phase::kWriting;
    after_answer_ = after;
    set_deadline(core_.options.limits.request_deadline);
    head_ = make_head(response, after);
    body_ = is_head_only_ ? std::string() : std::move(response.body);
    write(head_, body_);
}

void HttpServer::Core::Connection::write(std::string_view head, std::string_view body) {
    const std::array<std::span<const std::byte>, 2> parts{std::as_bytes(std::span(head)),
                                                          std::as_bytes(std::span(body))};
    stream_->write(parts);
}

void HttpServer::Core::Connection::on_written(const Status& written) {
    if (!written) {
        close();
    } else if (std::exchange(is_continuing_, false)) {
        if (phase_ == Phase::kReading) await_readable();
    } else if (after_answer_ == AfterAnswer::kKeep) {
        read_next_request();
    } else {
        phase_ = Phase::kLingering;
        stream_->shutdown_write();
        set_deadline(kLingerDeadline);
        await_readable();
    }
}

void HttpServer::Core::Connection::read_next_request() {
    phase_ = Phase::kReading;
    is_request_timed_ = false;
    is_head_only_ = false;
    set_deadline(core_.options.limits.idle_deadline);
    feed({});
}

void HttpServer::Core::Connection::set_deadline(Duration delay) {
    core_.loop.cancel(deadline_);
    deadline_ = core_.loop.post_after(delay, [weak = weak_from_this()] {
        if (const auto self = weak.lock()) self->on_deadline();
    });
}

void HttpServer::Core::Connection::on_deadline() {
    const bool is_idle = phase_ == Phase::kReading && !is_request_timed_;
    if (phase_ == Phase::kReading && !is_idle && !is_continuing_) {
        is_refusal_ ? close() : refuse(408, "the request did not arrive in time");
    } else if (phase_ == Phase::kHandling) {
        end_handling();
        refuse(503, "no answer in time");
    } else {
        close();
    }
}

void HttpServer::Core::Connection::close() {
    if (phase_ == Phase::kClosed) return;
    end_handling();
    phase_ = Phase::kClosed;
    stream_->close();
    core_.loop.cancel(deadline_);
    core_.remove(shared_from_this());
}

void HttpServer::Core::adopt(std::unique_ptr<TcpStream> stream) {
    const HttpLimits& limits = options.limits;
    const std::string host = stream->peer().host;
    const bool is_full = connections.size() - refused_now >= limits.connections_max;
    const auto same = per_address.find(host);
    const bool is_greedy = !is_loopback(host) && same != per_address.end() &&
                           same->second >= limits.connections_per_address_max;
    if ((is_full || is_greedy) && refused_now >= kRefusalsMax) return;
    const auto connection = std::make_shared<Connection>(*this, std::move(stream));
    connections.insert(connection);
    ++per_address[host];
    if (is_full || is_greedy) {
        ++refused_now;
        connection->start_refusal(is_full ? 503 : 429, "too many connections");
    } else {
        connection->start();
    }
}

void HttpServer::Core::remove(const Handle& connection) {
    if (connections.erase(connection) == 0) return;
    if (connection->is_refusal()) --refused_now;
    const auto it = per_address.find(connection->peer().host);
    if (--it->second == 0) per_address.erase(it);
}

bool HttpServer::Core::is_host_served(const HttpRequest& request) const {
    if (options.hosts.empty()) return true;
    const auto host = parse_address(find_header(request.headers, "Host"), 0);
    return host && std::ranges::find(options.hosts, host->host) != options.hosts.end();
}

HttpServer::HttpServer(EventLoop& loop, metrics::MetricGroup& metrics, Options options,
                       Handler handler)
    : core_(std::make_shared<Core>(loop, metrics, std::move(options), std::move(handler))) {}

HttpServer::~HttpServer() {
    MILLRACE_CHECK(core_->loop.is_current_thread());
    core_->door->shut();
    stop();
}

Status HttpServer::listen(const Address& address) {
    return core_->listener.listen(address, core_->options.scope, [core = core_.get()](auto stream) {
        core->adopt(std::move(stream));
    });
}

void HttpServer::stop() {
    core_->listener.stop();
    const auto all = core_->connections;
    for (const auto& connection : all) connection->close();
}

std::uint16_t HttpServer::port() const { return core_->listener.port(); }

std::size_t HttpServer::connection_count() const { return core_->connections.size(); }

}  // namespace millrace::net
