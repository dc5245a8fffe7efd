#include "runtime/taskmanager/heartbeat_size.h"

#include <algorithm>
#include <cstdint>

#include "runtime/base/check.h"

namespace millrace::taskmanager {
namespace {

// Takes the last of `reports` out until `bytes_over` is none; returns how many.
template <class Reports>
int cut(Reports& reports, std::size_t& bytes_over) {
    constexpr std::size_t kFieldBytes = 2;  // Of a field's tag and length, at least.
    int kept = reports.size();
    while (bytes_over > 0 && kept > 0) {
        const std::size_t bytes = reports[--kept].ByteSizeLong() + kFieldBytes;
        bytes_over -= std::min(bytes_over, bytes);
    }
    const int left_out = reports.size() - kept;
    reports.DeleteSubrange(kept, left_out);
    return left_out;
}

}  // namespace

void leave_out_what_does_not_fit(proto::Heartbeat& heartbeat, std::size_t bytes_max) {
    constexpr std::size_t kCountBytes = 1 + 5;
    const std::size_t bytes = heartbeat.ByteSizeLong();
    if (bytes <= bytes_max) return;
    std::size_t bytes_over = bytes + kCountBytes - bytes_max;
    int left_out = cut(*heartbeat.mutable_subtasks(), bytes_over);
    left_out += cut(*heartbeat.mutable_models(), bytes_over);
    left_out += cut(*heartbeat.mutable_pools(), bytes_over);
    heartbeat.set_reports_left_out(static_cast<std::uint32_t>(left_out));
    MILLRACE_CHECK_EQ(bytes_over, 0U);
}

}  // namespace millrace::taskmanager
