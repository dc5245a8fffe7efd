#include "ml/order_log.h"

#include <limits>

#include "runtime/base/check.h"

namespace millrace::ml {

bool OrderLog::append(std::uint32_t split, std::uint32_t count) {
    MILLRACE_CHECK_GT(count, 0U);
    if (size_ > 0) {
        OrderRun& last = memory_[size_ - 1];
        const std::uint32_t room = std::numeric_limits<std::uint32_t>::max() - last.count;
        if (last.split == split && last.count > 0 && count <= room) {
            last.count += count;
            return true;
        }
    }
    return append_run({.split = split, .count = count});
}

bool OrderLog::append_skip(std::uint32_t split) { return append_run({.split = split, .count = 0}); }

bool OrderLog::append_run(OrderRun run) {
    if (size_ == memory_.size()) return false;
    memory_[size_++] = run;
    return true;
}

}  // namespace millrace::ml
