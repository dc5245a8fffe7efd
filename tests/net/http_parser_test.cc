#include "runtime/net/http_parser.h"

#include <catch2/catch.hpp>

#include "tests/net/net_world.h"

namespace millrace::net {
namespace {

using Progress = HttpRequestParser::Progress;

// The parser's verdict on one stream, fed in pieces: 0 when complete, -1 when incomplete, else the
// status to refuse with.
int verdict(std::string_view stream, std::size_t piece_bytes = SIZE_MAX,
            const HttpLimits& limits = {}) {
    HttpRequestParser parser(limits, {});
    auto rest = std::as_bytes(std::span(stream));
    while (!rest.empty()) {
        const std::size_t taken = std::min(piece_bytes, rest.size());
        const auto progress = parser.feed(rest.first(taken));
        if (!progress) return progress.error().status;
        if (*progress == Progress::kComplete) return 0;
        rest = rest.subspan(taken);
    }
    return -1;
}

std::string with_header(std::string_view more) {
    return fmt::format("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", more);
}

TEST_CASE("HttpRequestParser splits a request into its parts", "[net][http]") {
    HttpRequestParser parser({}, {});
    const auto progress =
        parser.feed(to_bytes("POST /v1/jobs?mode=x&y HTTP/1.1\r\nHost: a:1\r\nX-One: 1\r\n"
                             "Content-Length: 4\r\n\r\nbody"));
    REQUIRE(progress == Progress::kComplete);
    const HttpRequest request = parser.take();
    REQUIRE(request.method == "POST");
    REQUIRE(request.path == "/v1/jobs");
    REQUIRE(request.query == "mode=x&y");
    REQUIRE(find_header(request.headers, "x-one") == "1");
    REQUIRE(request.body == "body");
    REQUIRE(parser.is_keep_alive());
    REQUIRE_FALSE(parser.has_begun());
}

TEST_CASE("HttpRequestParser reads a chunked body", "[net][http]") {
    HttpRequestParser parser({}, {});
    const auto progress =
        parser.feed(to_bytes("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                             "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"));
    REQUIRE(progress == Progress::kComplete);
    REQUIRE(parser.take().body == "abcde");
}

TEST_CASE("HttpRequestParser judges a request however it is cut", "[net][http]") {
    const auto piece_bytes = GENERATE(1U, 3U, 64U, 100'000U);
    CAPTURE(piece_bytes);
    HttpLimits limits;
    limits.body_bytes_max = 1000;
    const auto judge = [&](std::string_view stream) {
        return verdict(stream, piece_bytes, limits);
    };
    const std::string long_value(9000, 'x');
    std::string many;
    for (int i = 0; i < 100; ++i) many += "A: b\r\n";
    const auto post = [](std::string_view headers, std::string_view body) {
        return fmt::format("POST / HTTP/1.1\r\nHost: a\r\n{}\r\n{}", headers, body);
    };

    REQUIRE(judge(with_header("")) == 0);
    REQUIRE(judge("GET / HTTP/1.1\r\nHost: a\r\n") == -1);
    REQUIRE(judge("rubbish\r\n\r\n") == 400);
    REQUIRE(judge("GET / HTTP/1.1\r\n\r\n") == 400);
    REQUIRE(judge(with_header("Host: b\r\n")) == 400);
    REQUIRE(judge("GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n") == 400);
    REQUIRE(judge(post("Content-Length: x\r\n", "")) == 400);
    REQUIRE(judge(post("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n", "")) == 400);
    REQUIRE(judge("TRACE / HTTP/1.1\r\nHost: a\r\n\r\n") == 405);
    REQUIRE(judge("BREW / HTTP/1.1\r\nHost: a\r\n\r\n") == 405);
    REQUIRE(judge(post("Content-Length: 1000\r\n", std::string(1000, 'b'))) == 0);
    REQUIRE(judge(post("Content-Length: 1001\r\n", "")) == 413);
    REQUIRE(judge(post("Transfer-Encoding: chunked\r\n",
                       fmt::format("3e9\r\n{}\r\n0\r\n\r\n", std::string(1001, 'b')))) == 413);
    REQUIRE(judge(post("Content-Encoding: gzip\r\nContent-Length: 1\r\n", "b")) == 415);
    REQUIRE(judge(with_header("A: " + long_value + "\r\n")) == 431);
    REQUIRE(judge("GET /" + long_value) == 431);
    REQUIRE(judge(with_header(many)) == 431);
    REQUIRE(judge("GET / HTTP/2.0\r\nHost: a\r\n\r\n") == 505);
}

TEST_CASE("HttpRequestParser holds no endless line of a chunk, and no endless trailer",
          "[net][http]") {
    const auto piece_bytes = GENERATE(1U, 64U, 100'000U);
    CAPTURE(piece_bytes);
    const std::string head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    std::string trailer;
    for (int i = 0; i < 1500; ++i) trailer += "A: b\r\n";
    REQUIRE(verdict(head + "1;" + std::string(9000, 'e'), piece_bytes) == 431);
    REQUIRE(verdict(head + "1\r\na\r\n0\r\n" + trailer, piece_bytes) == 431);
    REQUIRE(verdict(head + "1;e=f\r\na\r\n0\r\nA: b\r\n\r\n", piece_bytes) == 0);
}

TEST_CASE("HttpRequestParser asks each route for its body limit", "[net][http]") {
    HttpRequestParser parser({}, [](const HttpRequest& request) {
        return request.path == "/upload" ? std::size_t{3 << 20} : std::size_t{10};
    });
    const std::string body(2 << 20, 'x');
    REQUIRE(parser.feed(to_bytes(
                fmt::format("POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{}",
                            body.size(), body))) == Progress::kComplete);
    REQUIRE(parser.take().body == body);
    const auto refused =
        parser.feed(to_bytes("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n"));
    REQUIRE(refused.error().status == 413);
}

TEST_CASE("HttpRequestParser keeps the next request for later", "[net][http]") {
    HttpRequestParser parser({}, {});
    REQUIRE(parser.feed(to_bytes(with_header("X: 1\r\n") + with_header("X: 2\r\n"))) ==
            Progress::kComplete);
    REQUIRE(find_header(parser.take().headers, "X") == "1");
    REQUIRE(parser.has_begun());
    REQUIRE(parser.feed({}) == Progress::kComplete);
    REQUIRE(find_header(parser.take().headers, "X") == "2");
}

TEST_CASE("HttpRequestParser tells that the peer waits to continue", "[net][http]") {
    HttpRequestParser parser({}, {});
    REQUIRE(parser.feed(to_bytes("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
                                 "Content-Length: 1\r\n\r\n")) == Progress::kContinue);
    REQUIRE(parser.feed(to_bytes("b")) == Progress::kComplete);
}

TEST_CASE("HttpResponseParser reads an answer to its end", "[net][http]") {
    HttpResponseParser parser("GET", 8192, 100);
    REQUIRE(parser.feed(to_bytes("HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\n"
                                 "Content-Length: 3\r\n\r\nab")) == false);
    REQUIRE(parser.feed(to_bytes("c")) == true);
    const HttpResponse response = parser.take();
    REQUIRE(response.status == 404);
    REQUIRE(response.content_type == "text/plain");
    REQUIRE(response.body == "abc");
}

TEST_CASE("HttpResponseParser refuses an answer above its limit", "[net][http]") {
    HttpResponseParser parser("GET", 8192, 2);
    REQUIRE_FALSE(parser.feed(to_bytes("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc")));
}

TEST_CASE("HttpResponseParser holds no endless line of a chunk", "[net][http]") {
    HttpResponseParser parser("GET", 100, 100);
    REQUIRE(parser.feed(to_bytes("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")));
    REQUIRE(parser.feed(to_bytes("1;" + std::string(90, 'e'))));
    REQUIRE_FALSE(parser.feed(to_bytes(std::string(9, 'e'))));
}

TEST_CASE("HttpResponseParser takes a close for the end where no length is said", "[net][http]") {
    HttpResponseParser parser("GET", 8192, 100);
    REQUIRE(parser.feed(to_bytes("HTTP/1.1 200 OK\r\n\r\nabc")) == false);
    REQUIRE(parser.feed_end() == true);
    REQUIRE(parser.take().body == "abc");
    HttpResponseParser cut("GET", 8192, 100);
    REQUIRE(cut.feed(to_bytes("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc")) == false);
    REQUIRE_FALSE(cut.feed_end());
}

}  // namespace
}  // namespace millrace::net
