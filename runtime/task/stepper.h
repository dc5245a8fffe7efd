// Steps tasks on the calling thread, in an order that a seed decides: what a worker pool is in a
// simulation.
//
// The same tasks run here as on worker threads; only who calls step(), and when, differs. Among the
// tasks that are ready or due a random one is stepped next. When none is, the caller moves its
// clock to next_due().
//
// Threads:    one.
// Ownership:  borrows tasks from add() until their left().
// Failure:    none.

#pragma once

#include <cstdint>
#include <vector>

#include "runtime/base/clock.h"
#include "runtime/base/random.h"
#include "runtime/task/schedulable.h"

namespace millrace::task {

class Stepper {
  public:
    Stepper(const Clock& clock, std::uint64_t seed) : clock_(clock), random_(seed) {}

    void add(Schedulable& task);
    // Steps one task; false when none is ready or due.
    bool step_one();
    // Steps until none is ready or due, at most `steps_max` times; false when that was not enough.
    bool run(std::uint64_t steps_max);
    // When the first waiting task is due; TimePoint::max() when all wait for a ring.
    [[nodiscard]] TimePoint next_due() const;
    // Tasks that have not left.
    [[nodiscard]] std::size_t task_count() const { return seats_.size(); }

  private:
    struct Seat {
        Schedulable* task = nullptr;
        TimePoint due = TimePoint::max();
        bool again = true;
    };

    const Clock& clock_;
    Random random_;
    std::vector<Seat> seats_;
};

}  // namespace millrace::task
