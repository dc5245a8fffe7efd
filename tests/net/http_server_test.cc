#include "runtime/net/http_server.h"

#include <optional>

#include <catch2/catch.hpp>

#include "runtime/net/http_client.h"
#include "tests/net/net_world.h"

namespace millrace::net {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// A server whose handler answers with what it was asked, or as the path says.
struct HttpWorld : NetWorld {
    std::optional<HttpServer> server;
    Mailbox<std::shared_ptr<HttpResponder>> held;
    std::uint16_t port = 0;

    explicit HttpWorld(HttpServer::Options options = {}) {
        on_loop_do([&] {
            server.emplace(loop, metrics, std::move(options),
                           [this](HttpRequest request, HttpResponder responder) {
                               handle(std::move(request), std::move(responder));
                           });
            REQUIRE(server->listen({"127.0.0.1", 0}));
            port = server->port();
        });
    }
    ~HttpWorld() {
        on_loop_do([&] { server.reset(); });
    }

    void handle(HttpRequest request, HttpResponder responder) {
        if (request.path == "/hold") {
            held.put(std::make_shared<HttpResponder>(std::move(responder)));
        } else if (request.path != "/drop") {
            HttpResponse response{.status = 201};
            response.body = fmt::format("{} {} {} {}", request.method, request.path, request.query,
                                        request.body);
            responder.send(std::move(response));
        }
    }
    HttpCallOptions call(std::string method, std::string target, std::string body = {}) const {
        return {.address = {"127.0.0.1", port},
                .method = std::move(method),
                .target = std::move(target),
                .body = std::move(body),
                .deadline = kPatience};
    }
};

TEST_CASE("HttpServer answers what its handler says", "[net][http]") {
    HttpWorld world;
    for (const auto* method : {"GET", "POST", "PATCH", "DELETE", "PUT"}) {
        const auto answer = http_call(world.call(method, "/jobs?x=1", "text"));
        REQUIRE(answer);
        REQUIRE(answer->status == 201);
        REQUIRE(answer->body == fmt::format("{} /jobs x=1 text", method));
        REQUIRE(answer->content_type == "application/json");
        REQUIRE(find_header(answer->headers, "X-Content-Type-Options") == "nosniff");
    }
}

TEST_CASE("HttpServer answers HEAD with the length and no body", "[net][http]") {
    HttpWorld world;
    const auto answer = http_call(world.call("HEAD", "/a"));
    REQUIRE(answer->status == 201);
    REQUIRE(answer->body.empty());
    REQUIRE(find_header(answer->headers, "Content-Length") == "9");
}

TEST_CASE("HttpServer serves requests of one connection in order", "[net][http]") {
    HttpWorld world;
    RawPeer peer(world.port);
    peer.send("GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n");
    const std::string both = peer.read_until("GET /2");
    REQUIRE(both.find("GET /1") < both.find("GET /2"));
    peer.send("GET /3 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    REQUIRE(peer.read_until_closed().find("GET /3") != std::string::npos);
}

TEST_CASE("HttpServer takes an answer later, from another thread", "[net][http]") {
    HttpWorld world;
    RawPeer peer(world.port);
    peer.send("GET /hold HTTP/1.1\r\nHost: a\r\n\r\n");
    const auto responder = world.held.take();
    responder->send({.status = 202, .body = "late"});
    REQUIRE(peer.read_until("late").starts_with("HTTP/1.1 202 Accepted\r\n"));
}

TEST_CASE("HttpServer answers 500 for a dropped request", "[net][http]") {
    HttpWorld world;
    REQUIRE(http_call(world.call("GET", "/drop"))->status == 500);
}

TEST_CASE("HttpServer drops an answer that outlives it", "[net][http]") {
    std::shared_ptr<HttpResponder> responder;
    {
        HttpWorld world;
        RawPeer peer(world.port);
        peer.send("GET /hold HTTP/1.1\r\nHost: a\r\n\r\n");
        responder = world.held.take();
    }
    responder->send({.status = 200});
}

TEST_CASE("HttpServer refuses in words and closes", "[net][http]") {
    HttpWorld world;
    const auto [request, status] = GENERATE(table<std::string, std::string>({
        {"rubbish\r\n\r\n", "400 Bad Request"},
        {"TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", "405 Method Not Allowed"},
        {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1048577\r\n\r\n", "413 Payload Too Large"},
        {"GET / HTTP/1.1\r\nA: " + std::string(8192, 'x'), "431 Request Header Fields Too Large"},
    }));
    RawPeer peer(world.port);
    peer.send(request);
    REQUIRE(peer.read_until_closed().starts_with("HTTP/1.1 " + status + "\r\n"));
}

TEST_CASE("HttpServer delivers its refusal to a peer that goes on sending", "[net][http]") {
    HttpWorld world;
    RawPeer peer(world.port);
    peer.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2097152\r\n\r\n" +
              std::string(100'000, 'x'));
    REQUIRE(peer.read_until_closed().starts_with("HTTP/1.1 413 "));
}

TEST_CASE("HttpServer lets a waiting peer continue", "[net][http]") {
    HttpWorld world;
    RawPeer peer(world.port);
    peer.send("POST /a HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n");
    REQUIRE(peer.read_until("\r\n\r\n") == "HTTP/1.1 100 Continue\r\n\r\n");
    peer.send("body");
    REQUIRE(peer.read_until("POST /a  body").find("201 Created") != std::string::npos);
}

TEST_CASE("HttpServer gives a whole request its deadline, not each byte", "[net][http]") {
    HttpServer::Options options;
    options.limits.request_deadline = milliseconds(50);
    HttpWorld world(options);
    RawPeer peer(world.port);
    peer.send("GET / HT");
    REQUIRE(peer.read_until_closed().starts_with("HTTP/1.1 408 Request Timeout\r\n"));
}

TEST_CASE("HttpServer answers 503 for a handler that takes too long", "[net][http]") {
    HttpServer::Options options;
    options.limits.request_deadline = milliseconds(50);
    HttpWorld world(options);
    RawPeer peer(world.port);
    peer.send("GET /hold HTTP/1.1\r\nHost: a\r\n\r\n");
    REQUIRE(peer.read_until_closed().starts_with("HTTP/1.1 503 Service Unavailable\r\n"));
    world.held.take()->send({.status = 200});
}

TEST_CASE("HttpServer closes an idle connection", "[net][http]") {
    HttpServer::Options options;
    options.limits.idle_deadline = milliseconds(20);
    HttpWorld world(options);
    RawPeer peer(world.port);
    REQUIRE(peer.read_until_closed().empty());
}

TEST_CASE("HttpServer tells a connection above the limit to come later", "[net][http]") {
    HttpServer::Options options;
    options.limits.connections_max = 2;
    HttpWorld world(options);
    RawPeer one(world.port);
    RawPeer two(world.port);
    RawPeer three(world.port);
    const std::string refusal = three.read_until_closed();
    REQUIRE(refusal.starts_with("HTTP/1.1 503 Service Unavailable\r\n"));
    REQUIRE(refusal.find("Retry-After: 1\r\n") != std::string::npos);
    one.send("GET /1 HTTP/1.1\r\nHost: a\r\n\r\n");
    REQUIRE(one.read_until("GET /1").starts_with("HTTP/1.1 201 Created\r\n"));
}

TEST_CASE("HttpServer limits the requests in the hands of handlers", "[net][http]") {
    HttpServer::Options options;
    options.limits.in_flight_max = 1;
    HttpWorld world(options);
    RawPeer one(world.port);
    one.send("GET /hold HTTP/1.1\r\nHost: a\r\n\r\n");
    const auto responder = world.held.take();
    REQUIRE(http_call(world.call("GET", "/"))->status == 503);
    responder->send({.status = 200, .body = "done"});
    one.read_until("done");
    REQUIRE(http_call(world.call("GET", "/"))->status == 201);
}

TEST_CASE("HttpServer serves only the hosts it was told", "[net][http]") {
    HttpServer::Options options;
    options.hosts = {"localhost"};
    HttpWorld world(options);
    const auto ask = [&](std::string_view host) {
        RawPeer peer(world.port);
        peer.send(fmt::format("GET / HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", host));
        return peer.read_until_closed().substr(9, 3);
    };
    REQUIRE(ask("localhost:8081") == "201");
    REQUIRE(ask("localhost") == "201");
    REQUIRE(ask("evil.example") == "403");
}

TEST_CASE("A port that is taken is refused with one line", "[net][http]") {
    HttpWorld world;
    HttpWorld other;
    const Status taken = other.on_loop([&] {
        HttpServer third(other.loop, other.metrics, {}, [](HttpRequest, HttpResponder) {});
        return third.listen({"127.0.0.1", world.port});
    });
    REQUIRE(taken.error().code == Code::kAlreadyExists);
    REQUIRE(taken.error().message.find("the port is taken") != std::string::npos);
}

TEST_CASE("HttpCall names an unreachable peer, its address and the cause", "[net][http]") {
    std::uint16_t port = 0;
    {
        const HttpWorld gone;
        port = gone.port;
    }
    const auto answer = http_call({.address = {"127.0.0.1", port}, .deadline = kPatience});
    REQUIRE(answer.error().code == Code::kUnavailable);
    REQUIRE(answer.error().message ==
            fmt::format("JobManager unreachable at 127.0.0.1:{}: Connection refused", port));
}

TEST_CASE("HttpCall gives up at its deadline", "[net][http]") {
    HttpWorld world;
    HttpCallOptions options = world.call("GET", "/hold");
    options.deadline = milliseconds(50);
    const auto answer = http_call(options);
    REQUIRE(answer.error().code == Code::kDeadlineExceeded);
    REQUIRE(answer.error().message.find("50 ms") != std::string::npos);
}

TEST_CASE("HttpCall refuses an answer above its limit", "[net][http]") {
    HttpWorld world;
    HttpCallOptions options = world.call("POST", "/", std::string(1000, 'x'));
    options.body_bytes_max = 100;
    REQUIRE(http_call(options).error().code == Code::kCorruption);
}

}  // namespace
}  // namespace millrace::net
