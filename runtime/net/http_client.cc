#include "runtime/net/http_client.h"

#include <array>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "runtime/base/check.h"
#include "runtime/net/http_parser.h"
#include "runtime/net/tcp.h"

namespace millrace::net {
namespace {

constexpr std::size_t kReadBytes = 64U << 10;

std::string make_request(const HttpCallOptions& options) {
    std::string text = fmt::format(
        "{} {} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Length: {}\r\n", options.method,
        options.target, options.address.to_string(), options.body.size());
    for (const auto& [name, value] : options.headers) {
        MILLRACE_CHECK(value.find_first_of("\r\n") == std::string::npos);
        text += fmt::format("{}: {}\r\n", name, value);
    }
    return text += "\r\n";
}

}  // namespace

struct HttpCall::Exchange : std::enable_shared_from_this<Exchange> {
    Exchange(EventLoop& owner, HttpCallOptions given, OnDone done)
        : loop(owner),
          options(std::move(given)),
          on_done(std::move(done)),
          parser(options.method, options.header_bytes_max, options.body_bytes_max),
          read_space(kReadBytes) {}

    void start();
    void on_connected(Result<std::unique_ptr<TcpStream>> connected);
    void on_readable();
    void finish(Result<HttpResponse> result);
    void end();
    [[nodiscard]] std::unexpected<Error> unreachable(const Error& cause) const;

    EventLoop& loop;
    const HttpCallOptions options;
    OnDone on_done;  // Empty once finished or given up.
    HttpResponseParser parser;
    std::vector<std::byte> read_space;
    std::string head;
    std::unique_ptr<TcpConnect> connect;
    std::unique_ptr<TcpStream> stream;
    TimerId deadline{};
};

void HttpCall::Exchange::start() {
    deadline = loop.post_after(options.deadline, [weak = weak_from_this()] {
        const auto self = weak.lock();
        if (self == nullptr) return;
        const auto ms =
            std::chrono::duration_cast<std::chrono::milliseconds>(self->options.deadline);
        self->finish(fail(Code::kDeadlineExceeded, "{} did not answer in {} ms at {}",
                          self->options.peer_name, ms.count(), self->options.address.to_string()));
    });
    // The deadline above is the shorter one, so that its text is what the user reads.
    connect = std::make_unique<TcpConnect>(loop, options.address,
                                           options.deadline + std::chrono::seconds(1),
                                           [this](Result<std::unique_ptr<TcpStream>> connected) {
                                               const auto keep = shared_from_this();
                                               on_connected(std::move(connected));
                                           });
}

void HttpCall::Exchange::on_connected(Result<std::unique_ptr<TcpStream>> connected) {
    connect = nullptr;
    if (!connected) {
        finish(unreachable(connected.error()));
        return;
    }
    stream = std::move(*connected);
    stream->set_events({
        .on_readable =
            [this] {
                const auto keep = shared_from_this();
                on_readable();
            },
        // A failed write shows in the read that follows, after any answer that came before it.
        .on_written = [](const Status&) {},
    });
    head = make_request(options);
    const std::array<std::span<const std::byte>, 2> parts{std::as_bytes(std::span(head)),
                                                          std::as_bytes(std::span(options.body))};
    stream->write(parts);
    stream->await_readable();
}

void HttpCall::Exchange::on_readable() {
    const auto read = stream->read_now(read_space);
    const auto progress =
        read ? parser.feed(std::span(read_space).first(*read)) : parser.feed_end();
    if (!progress) {
        finish(fail(Code::kCorruption, "{} at {} does not speak HTTP, or answers too much: {}",
                    options.peer_name, options.address.to_string(), progress.error().text));
    } else if (*progress) {
        finish(parser.take());
    } else if (!read) {
        finish(unreachable(read.error()));
    } else {
        stream->await_readable();
    }
}

void HttpCall::Exchange::finish(Result<HttpResponse> result) {
    const OnDone done = std::exchange(on_done, nullptr);
    end();
    if (done) done(std::move(result));
}

void HttpCall::Exchange::end() {
    loop.cancel(deadline);
    connect = nullptr;
    if (stream != nullptr) stream->close();
}

std::unexpected<Error> HttpCall::Exchange::unreachable(const Error& cause) const {
    return fail(Code::kUnavailable, "{} unreachable at {}: {}", options.peer_name,
                options.address.to_string(), cause.message);
}

HttpCall::HttpCall(EventLoop& loop, HttpCallOptions options, OnDone on_done)
    : exchange_(std::make_shared<Exchange>(loop, std::move(options), std::move(on_done))) {
    MILLRACE_CHECK(loop.is_current_thread());
    exchange_->start();
}

HttpCall::~HttpCall() {
    exchange_->on_done = nullptr;
    exchange_->end();
}

Result<HttpResponse> http_call(HttpCallOptions options) {
    EventLoop loop;
    Result<HttpResponse> result = fail(Code::kCancelled, "no answer");
    const HttpCall call(loop, std::move(options), [&](Result<HttpResponse> answered) {
        result = std::move(answered);
        loop.stop();
    });
    loop.run("");
    return result;
}

}  // namespace millrace::net
