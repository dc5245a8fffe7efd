#include "runtime/task/time_ledger.h"

#include <algorithm>

namespace millrace::task {

void TimeLedger::enter(TimeUse use, TimePoint now) {
    MutexLock lock(mutex_);
    sums_ = sums_at(now);
    since_ = std::max(since_, now);
    use_ = use;
}

TimeLedger::Totals TimeLedger::totals(TimePoint now) const {
    MutexLock lock(mutex_);
    const Sums sums = sums_at(now);
    return {.idle = sums[0], .busy = sums[1], .back_pressured = sums[2]};
}

TimeLedger::Rates TimeLedger::rates(TimePoint now) {
    MutexLock lock(mutex_);
    const Duration elapsed = now - window_began_;
    if ((has_last_ && elapsed < kWindow) || elapsed <= Duration::zero()) return last_;
    const Sums sums = sums_at(now);
    const Sums sums_before = window_sums_;
    const auto rate = [&](std::size_t i) {
        return 1000.0 * static_cast<double>((sums[i] - sums_before[i]).count()) /
               static_cast<double>(elapsed.count());
    };
    last_ = {.idle_ms = rate(0), .busy_ms = rate(1), .back_pressured_ms = rate(2)};
    if (elapsed >= kWindow) {
        has_last_ = true;
        window_began_ = now;
        window_sums_ = sums;
    }
    return last_;
}

TimeUse TimeLedger::current() const {
    MutexLock lock(mutex_);
    return use_;
}

TimeLedger::Sums TimeLedger::sums_at(TimePoint now) const {
    Sums sums = sums_;
    sums[static_cast<std::size_t>(use_)] += std::max(Duration::zero(), now - since_);
    return sums;
}

}  // namespace millrace::task
