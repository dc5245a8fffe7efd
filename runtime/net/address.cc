#include "runtime/net/address.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <optional>
#include <system_error>

#include <arpa/inet.h>

namespace millrace::net {
namespace {

constexpr std::size_t kHostCharsMax = 253;

Result<std::uint16_t> parse_port(std::string_view text, std::string_view whole) {
    unsigned port = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    if (error != std::errc() || end != text.data() + text.size() || port > 65535) {
        return fail(Code::kInvalidArgument,
                    "not a port between 0 and 65535: '{}' in '{}'. Hint: write host:port, for "
                    "example 127.0.0.1:8081",
                    text, whole);
    }
    return static_cast<std::uint16_t>(port);
}

bool is_host_character(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '-' || c == '_' || c == ':';
}

Status check_host(std::string_view host, std::string_view whole) {
    const bool is_good = !host.empty() && host.size() <= kHostCharsMax &&
                         std::ranges::all_of(host, is_host_character);
    if (is_good) return {};
    return fail(Code::kInvalidArgument, "not a host name or address: '{}' in '{}'", host, whole);
}

Result<Address> parse(std::string_view text, std::optional<std::uint16_t> default_port) {
    std::string_view host = text;
    std::string_view port;
    bool has_port = false;
    if (text.starts_with('[')) {
        const std::size_t close = text.find(']');
        if (close == std::string_view::npos) {
            return fail(Code::kInvalidArgument, "missing ']' in address '{}'", text);
        }
        host = text.substr(1, close - 1);
        const std::string_view rest = text.substr(close + 1);
        has_port = rest.starts_with(':');
        if (!has_port && !rest.empty()) {
            return fail(Code::kInvalidArgument, "expected ':' after ']' in address '{}'", text);
        }
        if (has_port) port = rest.substr(1);
    } else if (const std::size_t colon = text.find(':'); colon != std::string_view::npos) {
        if (text.find(':', colon + 1) != std::string_view::npos) {
            return fail(Code::kInvalidArgument,
                        "more than one ':' in address '{}'. Hint: write an IPv6 address in "
                        "brackets, for example [::1]:8081",
                        text);
        }
        has_port = true;
        host = text.substr(0, colon);
        port = text.substr(colon + 1);
    }
    MILLRACE_TRY(check_host(host, text));
    if (!has_port) {
        if (default_port) return Address{std::string(host), *default_port};
        return fail(Code::kInvalidArgument, "no port in address '{}'. Hint: write host:port", text);
    }
    MILLRACE_TRY_ASSIGN(const std::uint16_t number, parse_port(port, text));
    return Address{std::string(host), number};
}

}  // namespace

std::string Address::to_string() const {
    return host.find(':') == std::string::npos ? fmt::format("{}:{}", host, port)
                                               : fmt::format("[{}]:{}", host, port);
}

Result<Address> parse_address(std::string_view text) { return parse(text, std::nullopt); }

Result<Address> parse_address(std::string_view text, std::uint16_t default_port) {
    return parse(text, default_port);
}

bool is_loopback(std::string_view host) {
    const std::string text(host);
    in_addr v4{};
    if (inet_pton(AF_INET, text.c_str(), &v4) == 1) return (ntohl(v4.s_addr) >> 24) == 127;
    in6_addr v6{};
    if (inet_pton(AF_INET6, text.c_str(), &v6) == 1) return IN6_IS_ADDR_LOOPBACK(&v6);
    return host == "localhost";
}

Status check_bind(const Address& address, BindScope scope) {
    if (scope == BindScope::kAnywhere || is_loopback(address.host)) return {};
    return fail(
        Code::kPermissionDenied,
        "refusing to listen beyond this machine, on {}: the port has neither encryption "
        "nor a token. Hint: listen on 127.0.0.1, or allow it with --allow-remote on a network "
        "that only you reach",
        address.to_string());
}

Error listen_error(const Address& address, int system_error) {
    const std::string where = address.to_string();
    switch (system_error) {
        case EADDRINUSE:
            return {Code::kAlreadyExists,
                    fmt::format("cannot listen on {}: the port is taken. Hint: stop the program "
                                "that has it (`ss -ltnp 'sport = :{}'` names it), or choose "
                                "another port",
                                where, address.port)};
        case EACCES:
        case EPERM:
            return {Code::kPermissionDenied,
                    fmt::format("cannot listen on {}: not permitted. Hint: choose a port of 1024 "
                                "or above",
                                where)};
        case EADDRNOTAVAIL:
            return {Code::kInvalidArgument,
                    fmt::format("cannot listen on {}: this machine has no such address. Hint: "
                                "`ip addr` lists those it has",
                                where)};
        case EMFILE:
        case ENFILE:
            return {Code::kResourceExhausted,
                    fmt::format("cannot listen on {}: too many open files. Hint: raise the limit "
                                "(`ulimit -n`)",
                                where)};
        default:
            return {Code::kUnavailable, fmt::format("cannot listen on {}: {}", where,
                                                    std::generic_category().message(system_error))};
    }
}

}  // namespace millrace::net
