#include "tests/support/http_client.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <optional>
#include <string_view>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace millrace::support {

namespace {

constexpr std::size_t kAnswerBytesMax = 64 * 1024 * 1024;
constexpr std::string_view kLineEnd = "\r\n";

// A non-blocking socket on which every wait ends at the deadline.
class Socket {
  public:
    explicit Socket(Deadline deadline)
        : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)),
          deadline_(deadline) {}
    Socket(const Socket&) = delete;
    Socket& operator=(const Socket&) = delete;
    ~Socket() { ::close(fd_); }

    Status connect(std::uint16_t port) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(port);
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        if (::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 &&
            errno != EINPROGRESS) {
            return fail(Code::kUnavailable, "cannot connect to port {}: {}", port,
                        std::strerror(errno));
        }
        MILLRACE_TRY(await(POLLOUT));
        int error = 0;
        socklen_t size = sizeof(error);
        ::getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size);
        if (error != 0) {
            return fail(Code::kUnavailable, "cannot connect to port {}: {}", port,
                        std::strerror(error));
        }
        return {};
    }

    // A server may close before it has read all: what it answered is still worth reading.
    Status send_all(std::string_view bytes) {
        while (!bytes.empty()) {
            MILLRACE_TRY(await(POLLOUT));
            const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
            if (sent > 0) {
                bytes.remove_prefix(static_cast<std::size_t>(sent));
            } else if (errno == EPIPE || errno == ECONNRESET) {
                return {};
            } else if (errno != EAGAIN && errno != EINTR) {
                return fail(Code::kUnavailable, "cannot send: {}", std::strerror(errno));
            }
        }
        return {};
    }

    Result<std::string> read_to_end() {
        std::string all;
        std::array<char, 16 * 1024> piece{};
        while (all.size() < kAnswerBytesMax) {
            MILLRACE_TRY(await(POLLIN));
            const ssize_t size = ::recv(fd_, piece.data(), piece.size(), 0);
            if (size > 0) {
                all.append(piece.data(), static_cast<std::size_t>(size));
            } else if (size == 0 || errno == ECONNRESET) {
                return all;
            } else if (errno != EAGAIN && errno != EINTR) {
                return fail(Code::kUnavailable, "cannot receive: {}", std::strerror(errno));
            }
        }
        return fail(Code::kCorruption, "answer of more than {} bytes", kAnswerBytesMax);
    }

  private:
    Status await(short events) {
        pollfd ready{fd_, events, 0};
        if (::poll(&ready, 1, deadline_.left_ms()) == 0) {
            return fail(Code::kDeadlineExceeded, "no answer in time");
        }
        return {};
    }

    const int fd_;
    const Deadline deadline_;
};

std::string lower(std::string_view text) {
    std::string result(text);
    std::ranges::transform(result, result.begin(),
                           [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return result;
}

std::string_view trimmed(std::string_view text) {
    const std::size_t first = text.find_first_not_of(" \t");
    if (first == std::string_view::npos) {
        return {};
    }
    return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

template <class Number>
std::optional<Number> number(std::string_view text, int base = 10) {
    Number value{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
    if (error != std::errc() || end != text.data() + text.size()) {
        return std::nullopt;
    }
    return value;
}

// Takes the next line off `text`, without its end.
std::string_view take_line(std::string_view& text) {
    const std::size_t end = text.find(kLineEnd);
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + kLineEnd.size());
    return line;
}

Result<std::string> join_chunks(std::string_view text) {
    std::string body;
    while (true) {
        const std::string_view line = take_line(text);
        const auto size = number<std::size_t>(trimmed(line.substr(0, line.find(';'))), 16);
        if (!size || *size > text.size()) {
            return fail(Code::kCorruption, "bad chunk size: '{}'", line);
        }
        if (*size == 0) {
            return body;
        }
        body.append(text.substr(0, *size));
        text.remove_prefix(*size);
        if (!take_line(text).empty()) {
            return fail(Code::kCorruption, "a chunk is longer than its size {}", *size);
        }
    }
}

Result<std::string> parse_body(const HttpResponse& response, std::string_view rest) {
    const auto encoding = response.headers.find("transfer-encoding");
    if (encoding != response.headers.end() && lower(encoding->second) == "chunked") {
        return join_chunks(rest);
    }
    const auto length = response.headers.find("content-length");
    if (length == response.headers.end()) {
        return std::string(rest);
    }
    const auto size = number<std::size_t>(length->second);
    if (!size || *size != rest.size()) {
        return fail(Code::kCorruption, "body of {} bytes where Content-Length says {}", rest.size(),
                    length->second);
    }
    return std::string(rest);
}

std::string request_text(const HttpRequest& request) {
    std::string text = fmt::format("{} {} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: close\r\n",
                                   request.method, request.target, request.port);
    for (const auto& [name, value] : request.headers) {
        text += fmt::format("{}: {}\r\n", name, value);
    }
    if (!request.body.empty() || request.method != "GET") {
        text += fmt::format("Content-Length: {}\r\n", request.body.size());
    }
    return text + "\r\n" + request.body;
}

}  // namespace

Result<HttpResponse> parse_http_response(std::string_view text) {
    HttpResponse response;
    const std::string_view status_line = take_line(text);
    const auto status = status_line.starts_with("HTTP/1.") && status_line.size() >= 12
                            ? number<int>(status_line.substr(9, 3))
                            : std::nullopt;
    if (!status) {
        return fail(Code::kCorruption, "not an HTTP status line: '{}'", status_line);
    }
    response.status = *status;
    while (true) {
        if (text.empty()) {
            return fail(Code::kCorruption, "the answer ends within its headers");
        }
        const std::string_view line = take_line(text);
        if (line.empty()) {
            break;
        }
        const std::size_t colon = line.find(':');
        if (colon == std::string_view::npos) {
            return fail(Code::kCorruption, "not a header: '{}'", line);
        }
        response.headers[lower(line.substr(0, colon))] = trimmed(line.substr(colon + 1));
    }
    MILLRACE_TRY_ASSIGN(response.body, parse_body(response, text));
    return response;
}

Result<std::string> exchange_bytes(std::uint16_t port, std::string_view bytes,
                                   std::chrono::milliseconds patience) {
    Socket socket{Deadline(patience)};
    MILLRACE_TRY(socket.connect(port));
    MILLRACE_TRY(socket.send_all(bytes));
    return socket.read_to_end();
}

Result<HttpResponse> http(const HttpRequest& request, std::chrono::milliseconds patience) {
    MILLRACE_TRY_ASSIGN(const std::string text,
                        exchange_bytes(request.port, request_text(request), patience));
    return parse_http_response(text);
}

Result<HttpResponse> http_get(std::uint16_t port, std::string target) {
    return http({.port = port, .target = std::move(target)});
}

}  // namespace millrace::support
