#include "runtime/net/wire_faults.h"

#include "runtime/base/check.h"
#include "runtime/base/log.h"

namespace millrace::net {

std::string_view to_string(WireFault fault) {
    switch (fault) {
        case WireFault::kBadMagic:
            return "bad_magic";
        case WireFault::kBadVersion:
            return "bad_version";
        case WireFault::kUnknownType:
            return "unknown_type";
        case WireFault::kTooLong:
            return "too_long";
        case WireFault::kBadChecksum:
            return "bad_checksum";
        case WireFault::kBadPayload:
            return "bad_payload";
        case WireFault::kOutOfPlace:
            return "out_of_place";
        case WireFault::kHelloRefused:
            return "hello_refused";
        case WireFault::kHelloLate:
            return "hello_late";
        case WireFault::kTooManyPeers:
            return "too_many_peers";
        case WireFault::kSendQueueFull:
            return "send_queue_full";
        case WireFault::kCount:
            break;
    }
    return "unknown";
}

WireFaults::WireFaults(const Clock& clock, metrics::MetricGroup& metrics, std::string_view port)
    : clock_(clock), port_(port) {
    for (std::size_t i = 0; i < kinds_.size(); ++i) {
        const auto kind = std::string(to_string(static_cast<WireFault>(i)));
        kinds_[i].counter =
            &metrics.counter("millrace_net_faults_total",
                             "Connections closed or refused because of what a peer did.",
                             {{"port", port_}, {"kind", kind}});
    }
}

void WireFaults::record(WireFault fault, std::string_view peer, std::string_view text) {
    MILLRACE_CHECK(fault != WireFault::kCount);
    Kind& kind = kinds_[static_cast<std::size_t>(fault)];
    kind.counter->add();
    const TimePoint now = clock_.now();
    if (kind.was_logged && now - kind.logged_at < kLogInterval) {
        ++kind.silent;
        return;
    }
    log::warn("{} port: closed the connection of {} ({}): {}; {} more since the last such line",
              port_, peer, to_string(fault), text, kind.silent);
    kind = {.counter = kind.counter, .was_logged = true, .logged_at = now, .silent = 0};
    ++lines_logged_;
}

std::uint64_t WireFaults::count(WireFault fault) const {
    return kinds_[static_cast<std::size_t>(fault)].counter->value();
}

}  // namespace millrace::net
