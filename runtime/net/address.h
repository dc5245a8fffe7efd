// Where a process listens or connects to, as people write it: `host:port`, `[::1]:8081`.
//
// Threads:    values.
// Limits:     a host name has at most 253 characters.
// Failure:    a Status that says what is wrong with the text, and what to do about a failed listen.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "runtime/base/status.h"

namespace millrace::net {

struct Address {
    std::string host;
    std::uint16_t port = 0;  // 0 lets the system choose, where one listens.

    auto operator<=>(const Address&) const = default;
    // `host:port`; an IPv6 address in brackets.
    [[nodiscard]] std::string to_string() const;
};

// Who may reach a listening port.
enum class BindScope : unsigned char {
    kLoopback,  // This machine only; anything else is refused.
    kAnywhere,  // The operator allowed it.
};

// Reads `host:port`. Errors: kInvalidArgument.
Result<Address> parse_address(std::string_view text);
// Reads `host:port`, or `host` alone, which gets `default_port`. Errors: kInvalidArgument.
Result<Address> parse_address(std::string_view text, std::uint16_t default_port);

// True for 127.0.0.0/8, ::1 and the name localhost.
[[nodiscard]] bool is_loopback(std::string_view host);

// Refuses an address beyond loopback unless `scope` allows it. Errors: kPermissionDenied.
Status check_bind(const Address& address, BindScope scope);

// Says in one line why listening on `address` failed, and what to do. `system_error` is an errno
// value: EADDRINUSE gives kAlreadyExists, EACCES kPermissionDenied, EADDRNOTAVAIL kInvalidArgument,
// EMFILE and ENFILE kResourceExhausted.
[[nodiscard]] Error listen_error(const Address& address, int system_error);

}  // namespace millrace::net
