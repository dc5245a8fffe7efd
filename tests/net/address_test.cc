#include "runtime/net/address.h"

#include <cerrno>

#include <catch2/catch.hpp>

namespace millrace::net {
namespace {

TEST_CASE("parse_address reads host and port", "[net][address]") {
    REQUIRE(parse_address("127.0.0.1:8081") == Address{"127.0.0.1", 8081});
    REQUIRE(parse_address("broker-1.example:9092") == Address{"broker-1.example", 9092});
    REQUIRE(parse_address("[::1]:80") == Address{"::1", 80});
}

TEST_CASE("parse_address adds the default port", "[net][address]") {
    REQUIRE(parse_address("localhost", 8081) == Address{"localhost", 8081});
    REQUIRE(parse_address("[::1]", 8081) == Address{"::1", 8081});
    REQUIRE(parse_address("localhost:1", 8081) == Address{"localhost", 1});
}

TEST_CASE("parse_address refuses what is no address", "[net][address]") {
    const auto text = GENERATE("", ":80", "host", "host:", "host:http", "host:65536", "host:-1",
                               "::1:80", "[::1", "[::1]80", "ho st:80", "host:80 ", "a/b:80");
    CAPTURE(text);
    const auto address = parse_address(text);
    REQUIRE_FALSE(address);
    REQUIRE(address.error().code == Code::kInvalidArgument);
}

TEST_CASE("An address prints as it is read", "[net][address]") {
    REQUIRE(parse_address("[::1]:80")->to_string() == "[::1]:80");
    REQUIRE(parse_address("localhost:80")->to_string() == "localhost:80");
}

TEST_CASE("Loopback is this machine and nothing else", "[net][address]") {
    for (const auto* host : {"127.0.0.1", "127.9.9.9", "::1", "localhost"}) {
        CAPTURE(host);
        REQUIRE(is_loopback(host));
    }
    for (const auto* host : {"0.0.0.0", "::", "10.0.0.1", "localhost.example", "128.0.0.1"}) {
        CAPTURE(host);
        REQUIRE_FALSE(is_loopback(host));
    }
}

TEST_CASE("Listening beyond this machine is refused unless allowed", "[net][address]") {
    const Status refused = check_bind({"0.0.0.0", 8081}, BindScope::kLoopback);
    REQUIRE(refused.error().code == Code::kPermissionDenied);
    REQUIRE(refused.error().message.find("Hint: ") != std::string::npos);
    REQUIRE(check_bind({"0.0.0.0", 8081}, BindScope::kAnywhere));
    REQUIRE(check_bind({"127.0.0.1", 8081}, BindScope::kLoopback));
}

TEST_CASE("A failed listen says in one line what to do", "[net][address]") {
    const auto [number, code] = GENERATE(table<int, Code>({{EADDRINUSE, Code::kAlreadyExists},
                                                           {EACCES, Code::kPermissionDenied},
                                                           {EADDRNOTAVAIL, Code::kInvalidArgument},
                                                           {EMFILE, Code::kResourceExhausted}}));
    const Error error = listen_error({"127.0.0.1", 80}, number);
    CAPTURE(error.message);
    REQUIRE(error.code == code);
    REQUIRE(error.message.starts_with("cannot listen on 127.0.0.1:80: "));
    REQUIRE(error.message.find("Hint: ") != std::string::npos);
    REQUIRE(error.message.find('\n') == std::string::npos);
}

}  // namespace
}  // namespace millrace::net
