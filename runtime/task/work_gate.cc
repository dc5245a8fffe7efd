#include "runtime/task/work_gate.h"

#include <utility>

#include "runtime/base/check.h"

namespace millrace::task {

bool WorkGate::Inside::enter() {
    const MutexLock lock(mutex);
    if (is_closed) return false;
    ++count;
    return true;
}

void WorkGate::Inside::leave() {
    std::function<void()> last;
    {
        const MutexLock lock(mutex);
        if (--count == 0) last = std::exchange(on_empty, nullptr);
    }
    if (last) last();
}

RunBlocking WorkGate::entry() const {
    return [&pool = pool_, inside = inside_](std::function<void()> work) -> Status {
        if (!inside->enter()) return fail(Code::kUnavailable, "the job is being taken down");
        Status queued = pool.submit([inside, work = std::move(work)]() mutable {
            // Gone before it counts as ended, with all that it holds.
            std::exchange(work, nullptr)();
            inside->leave();
        });
        if (!queued) inside->leave();
        return queued;
    };
}

void WorkGate::close(std::function<void()> on_empty) {
    {
        const MutexLock lock(inside_->mutex);
        MILLRACE_CHECK(!inside_->is_closed);
        inside_->is_closed = true;
        if (inside_->count > 0) {
            inside_->on_empty = std::move(on_empty);
            return;
        }
    }
    on_empty();
}

}  // namespace millrace::task
