#include "tests/support/http_client.h"

#include <catch2/catch.hpp>

#include "tests/support/free_port.h"
#include "tests/support/process.h"
#include "tests/support/temp_dir.h"

namespace millrace::support {

namespace {

// Python's own HTTP server: answers GET from files and repeats what is sent to it otherwise.
constexpr std::string_view kServer = R"(
import http.server, sys
class Handler(http.server.SimpleHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    def echo(self):
        body = self.rfile.read(int(self.headers['Content-Length']))
        answer = self.command.encode() + b' ' + self.headers['X-Tag'].encode() + b' ' + body
        self.send_response(202)
        self.send_header('Transfer-Encoding', 'chunked')
        self.end_headers()
        for part in (answer[:5], answer[5:]):
            self.wfile.write(b'%x\r\n%s\r\n' % (len(part), part))
        self.wfile.write(b'0\r\n\r\n')
    do_POST = do_PATCH = echo
http.server.ThreadingHTTPServer(('127.0.0.1', int(sys.argv[1])), Handler).serve_forever()
)";

Process start_server(std::uint16_t port, const TempDir& folder) {
    auto server = Process::start(
        {
            .argv = {"python3", "-c", std::string(kServer), std::to_string(port)},
            .working_folder = folder.path(),
            .name = "server",
        },
        folder.path());
    REQUIRE(server);
    REQUIRE(eventually([&] { return port_answers(port); }));
    return std::move(*server);
}

}  // namespace

TEST_CASE("http reads status, headers and body of a real server", "[support]") {
    const TempDir folder;
    folder.write("hello.txt", "hello\n");
    const std::uint16_t port = free_port();
    const Process server = start_server(port, folder);
    const auto found = http_get(port, "/hello.txt");
    REQUIRE(found);
    REQUIRE(found->status == 200);
    REQUIRE(found->headers.at("content-type") == "text/plain");
    REQUIRE(found->body == "hello\n");
    REQUIRE(http_get(port, "/absent")->status == 404);
}

TEST_CASE("http sends method, headers and body, and joins chunks", "[support]") {
    const TempDir folder;
    const std::uint16_t port = free_port();
    const Process server = start_server(port, folder);
    const std::string method = GENERATE("POST", "PATCH");
    const auto echoed = http({.port = port,
                              .method = method,
                              .target = "/jobs",
                              .body = "{\"a\":1}",
                              .headers = {{"X-Tag", "blue"}}});
    REQUIRE(echoed);
    REQUIRE(echoed->status == 202);
    REQUIRE(echoed->body == method + " blue {\"a\":1}");
}

TEST_CASE("http says when nobody listens and when nobody answers", "[support]") {
    const auto refused = http_get(free_port(), "/");
    REQUIRE(!refused);
    REQUIRE(refused.error().code == Code::kUnavailable);

    const TempDir folder;
    const std::uint16_t port = free_port();
    const Process server = start_server(port, folder);
    server.pause();  // The kernel still accepts the connection.
    const auto silent = http({.port = port}, std::chrono::milliseconds(50));
    REQUIRE(!silent);
    REQUIRE(silent.error().code == Code::kDeadlineExceeded);
}

TEST_CASE("exchange_bytes sends what is no HTTP at all", "[support]") {
    const TempDir folder;
    const std::uint16_t port = free_port();
    const Process server = start_server(port, folder);
    const auto answer = exchange_bytes(port, "nonsense\r\n\r\n");
    REQUIRE(answer);
    REQUIRE(answer->find("400") != std::string::npos);
}

TEST_CASE("parse_http_response refuses what is cut or contradicts itself", "[support]") {
    const std::string text = GENERATE(
        as<std::string>{}, "", "HTTP/1.1 2", "SSH-2.0-x\r\n\r\n", "HTTP/1.1 200 OK\r\nA: b\r\n",
        "HTTP/1.1 200 OK\r\nA\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab",
        "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\nab",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        "1\r\nab\r\n0\r\n\r\n");
    CAPTURE(text);
    const auto response = parse_http_response(text);
    REQUIRE(!response);
    REQUIRE(response.error().code == Code::kCorruption);
}

}  // namespace millrace::support
