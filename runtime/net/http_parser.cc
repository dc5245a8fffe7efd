#include "runtime/net/http_parser.h"

#include <algorithm>
#include <array>
#include <optional>

#include <boost/beast/core/buffers_range.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/status.hpp>
#include <boost/beast/src.hpp>

#include "runtime/base/check.h"

namespace millrace::net {
namespace {

namespace http = boost::beast::http;
using ParseError = boost::beast::error_code;

constexpr std::array<http::verb, 6> kMethods{http::verb::get,   http::verb::head,
                                             http::verb::post,  http::verb::put,
                                             http::verb::patch, http::verb::delete_};

// A body that grows with what arrives; Beast's own string_body reserves what the peer claims.
struct GrowingBody {
    using value_type = std::string;

    // NOLINTNEXTLINE(readability-identifier-naming): the name is Beast's.
    class reader {
      public:
        template <bool IsRequest, class Fields>
        reader(http::header<IsRequest, Fields>&, value_type& body) : body_(body) {}

        void init(const boost::optional<std::uint64_t>&, ParseError& error) { error = {}; }
        template <class Buffers>
        std::size_t put(const Buffers& buffers, ParseError& error) {
            error = {};
            std::size_t bytes = 0;
            for (const auto buffer : boost::beast::buffers_range_ref(buffers)) {
                body_.append(static_cast<const char*>(buffer.data()), buffer.size());
                bytes += buffer.size();
            }
            return bytes;
        }
        void finish(ParseError& error) { error = {}; }

      private:
        value_type& body_;
    };
};

int status_of(const ParseError& error) {
    if (error == http::error::header_limit || error == http::error::buffer_overflow) return 431;
    if (error == http::error::body_limit) return 413;
    if (error == http::error::bad_version) return 505;
    return 400;
}

HttpHeaders headers_of(const http::fields& fields) {
    HttpHeaders headers;
    for (const auto& field : fields) {
        headers.emplace_back(field.name_string(), field.value());
    }
    return headers;
}

// Feeds `parser` from `pending`, which keeps what was not consumed; true when complete. Beast
// limits headers and body, but not what stands between and behind the chunks of a body.
template <bool IsRequest>
std::expected<bool, HttpFault> advance(http::parser<IsRequest, GrowingBody>& parser,
                                       std::string& pending, std::size_t line_bytes_max) {
    while (!pending.empty() && !parser.is_done()) {
        ParseError error;
        const bool had_header = parser.is_header_done();
        const std::size_t used =
            parser.put(boost::asio::buffer(pending.data(), pending.size()), error);
        pending.erase(0, used);
        if (error == http::error::need_more) {
            if (pending.size() <= line_bytes_max) return false;
            return std::unexpected(
                HttpFault{431, "the line of a chunk or the trailer is too long"});
        }
        if (error) return std::unexpected(HttpFault{status_of(error), error.message()});
        // The caller looks at the header before the body is taken.
        if (!had_header && parser.is_header_done()) break;
    }
    return parser.is_done();
}

}  // namespace

struct HttpRequestParser::Machine {
    Machine(const HttpLimits& given, BodyLimit given_body_limit)
        : limits(given), body_limit(std::move(given_body_limit)) {
        reset();
    }

    void reset();
    std::expected<void, HttpFault> check_header();

    const HttpLimits limits;
    const BodyLimit body_limit;
    std::optional<http::request_parser<GrowingBody>> parser;
    std::string pending;
    HttpRequest request;
    bool is_header_checked = false;
    bool is_keep_alive = false;
};

void HttpRequestParser::Machine::reset() {
    parser.emplace();
    parser->header_limit(static_cast<std::uint32_t>(limits.header_bytes_max));
    parser->body_limit(boost::none);  // check_header() sets it before the body is read.
    request = {};
    is_header_checked = false;
}

std::expected<void, HttpFault> HttpRequestParser::Machine::check_header() {
    const auto refuse = [](int status, std::string text) {
        return std::unexpected(HttpFault{status, std::move(text)});
    };
    const auto& head = parser->get();
    if (std::ranges::find(kMethods, head.method()) == kMethods.end()) {
        return refuse(405, "method not allowed");
    }
    request.method = head.method_string();
    const std::string target(head.target());
    if (!target.starts_with('/')) return refuse(400, "the target must begin with '/'");
    const std::size_t mark = std::min(target.find('?'), target.size());
    request.path = target.substr(0, mark);
    if (mark < target.size()) request.query = target.substr(mark + 1);
    request.headers = headers_of(head);
    if (request.headers.size() > limits.headers_max) return refuse(431, "too many headers");
    if (head.version() != 10 && head.version() != 11) return refuse(505, "not HTTP/1");
    const auto is_host = [](const auto& header) {
        return boost::beast::iequals(header.first, "Host");
    };
    const auto hosts = std::ranges::count_if(request.headers, is_host);
    if (hosts > 1 || (hosts == 0 && head.version() == 11)) {
        return refuse(400, "exactly one Host header is needed");
    }
    if (!head[http::field::content_encoding].empty()) {
        return refuse(415, "compressed requests are not taken");
    }
    const std::size_t bytes_max = body_limit ? body_limit(request) : limits.body_bytes_max;
    parser->body_limit(bytes_max);
    if (const auto length = parser->content_length(); length && *length > bytes_max) {
        return refuse(413, fmt::format("the body is too long: at most {} bytes", bytes_max));
    }
    return {};
}

HttpRequestParser::HttpRequestParser(const HttpLimits& limits, BodyLimit body_limit)
    : machine_(std::make_unique<Machine>(limits, std::move(body_limit))) {}

HttpRequestParser::~HttpRequestParser() = default;

std::expected<HttpRequestParser::Progress, HttpFault> HttpRequestParser::feed(
    std::span<const std::byte> bytes) {
    Machine& m = *machine_;
    m.pending.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    auto advanced = advance(*m.parser, m.pending, m.limits.header_bytes_max);
    if (!advanced) return std::unexpected(std::move(advanced).error());
    if (m.parser->is_header_done() && !m.is_header_checked) {
        m.is_header_checked = true;
        if (auto checked = m.check_header(); !checked) return std::unexpected(checked.error());
        m.is_keep_alive = m.parser->keep_alive();
        const auto& head = m.parser->get();
        const bool waits = boost::beast::iequals(head[http::field::expect], "100-continue");
        if (waits && m.pending.empty() && !*advanced) return Progress::kContinue;
        advanced = advance(*m.parser, m.pending, m.limits.header_bytes_max);
        if (!advanced) return std::unexpected(std::move(advanced).error());
    }
    return *advanced ? Progress::kComplete : Progress::kIncomplete;
}

HttpRequest HttpRequestParser::take() {
    Machine& m = *machine_;
    MILLRACE_CHECK(m.parser->is_done());
    HttpRequest request = std::move(m.request);
    request.body = std::move(m.parser->get().body());
    m.reset();
    return request;
}

bool HttpRequestParser::is_keep_alive() const { return machine_->is_keep_alive; }

bool HttpRequestParser::has_begun() const {
    return !machine_->pending.empty() || machine_->parser->got_some();
}

struct HttpResponseParser::Machine {
    explicit Machine(std::size_t header_bytes) : header_bytes_max(header_bytes) {}

    const std::size_t header_bytes_max;
    http::response_parser<GrowingBody> parser;
    std::string pending;
};

HttpResponseParser::HttpResponseParser(std::string_view method, std::size_t header_bytes_max,
                                       std::size_t body_bytes_max)
    : machine_(std::make_unique<Machine>(header_bytes_max)) {
    machine_->parser.skip(method == "HEAD");
    machine_->parser.header_limit(static_cast<std::uint32_t>(header_bytes_max));
    machine_->parser.body_limit(body_bytes_max);
}

HttpResponseParser::~HttpResponseParser() = default;

std::expected<bool, HttpFault> HttpResponseParser::feed(std::span<const std::byte> bytes) {
    Machine& m = *machine_;
    m.pending.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    auto advanced = advance(m.parser, m.pending, m.header_bytes_max);
    if (advanced && !*advanced) advanced = advance(m.parser, m.pending, m.header_bytes_max);
    return advanced;
}

std::expected<bool, HttpFault> HttpResponseParser::feed_end() {
    ParseError error;
    if (machine_->parser.got_some()) machine_->parser.put_eof(error);
    if (error) return std::unexpected(HttpFault{0, error.message()});
    return machine_->parser.is_done();
}

HttpResponse HttpResponseParser::take() {
    auto& message = machine_->parser.get();
    HttpResponse response;
    response.status = static_cast<int>(message.result_int());
    response.content_type = std::string(message[http::field::content_type]);
    response.headers = headers_of(message);
    response.body = std::move(message.body());
    return response;
}

std::string_view find_header(const HttpHeaders& headers, std::string_view name) {
    const auto it = std::ranges::find_if(headers, [name](const auto& header) {
        return boost::beast::iequals(header.first, {name.data(), name.size()});
    });
    return it == headers.end() ? std::string_view() : std::string_view(it->second);
}

std::string_view http_reason(int status) {
    const auto phrase = http::obsolete_reason(http::int_to_status(static_cast<unsigned>(status)));
    return {phrase.data(), phrase.size()};
}

}  // namespace millrace::net
