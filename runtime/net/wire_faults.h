// Counts what peers do wrong on one port, and says so in the log at most once a minute per kind.
//
// Threads:    the owning loop's.
// Ownership:  borrows clock and metrics, which must outlive it.
// Limits:     one log line per kind and kLogInterval; the rest is counted in the next line.
// Failure:    none.

#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "runtime/base/clock.h"
#include "runtime/base/metrics.h"

namespace millrace::net {

// What was wrong. The name of each is its metric label.
enum class WireFault : unsigned char {
    kBadMagic,       // Not our protocol.
    kBadVersion,     // Another version of the frame or of the protocol.
    kUnknownType,    // A frame type that this port does not take.
    kTooLong,        // A length beyond the type's limit.
    kBadChecksum,    // Bytes changed on the way.
    kBadPayload,     // The frame is whole, its content is not.
    kOutOfPlace,     // A frame that this state of the connection does not allow.
    kHelloRefused,   // Wrong cluster, stale epoch or attempt.
    kHelloLate,      // No hello before the deadline.
    kTooManyPeers,   // Above the limit of connections.
    kSendQueueFull,  // The peer does not read.
    kCount,
};

[[nodiscard]] std::string_view to_string(WireFault fault);

class WireFaults {
  public:
    static constexpr std::chrono::seconds kLogInterval{60};

    // `port` names the port in log lines and in the label of `millrace_net_faults_total`.
    WireFaults(const Clock& clock, metrics::MetricGroup& metrics, std::string_view port);
    WireFaults(const WireFaults&) = delete;
    WireFaults& operator=(const WireFaults&) = delete;

    // Counts a fault of `peer`, and logs it if its kind was not logged within the interval.
    void record(WireFault fault, std::string_view peer, std::string_view text);

    [[nodiscard]] std::uint64_t count(WireFault fault) const;
    [[nodiscard]] std::uint64_t lines_logged() const { return lines_logged_; }

  private:
    struct Kind {
        metrics::Counter* counter = nullptr;
        bool was_logged = false;
        TimePoint logged_at{};
        std::uint64_t silent = 0;  // Counted since, without a line.
    };

    const Clock& clock_;
    const std::string port_;
    std::array<Kind, static_cast<std::size_t>(WireFault::kCount)> kinds_;
    std::uint64_t lines_logged_ = 0;
};

}  // namespace millrace::net
