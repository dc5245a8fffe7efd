#include "runtime/task/stepper.h"

#include <algorithm>

namespace millrace::task {

void Stepper::add(Schedulable& task) { seats_.push_back({.task = &task}); }

bool Stepper::step_one() {
    const TimePoint now = clock_.now();
    std::vector<std::size_t> ready;
    for (std::size_t i = 0; i < seats_.size(); ++i) {
        const Seat& seat = seats_[i];
        if (seat.again || seat.due <= now || seat.task->is_ready()) ready.push_back(i);
    }
    if (ready.empty()) return false;
    const std::size_t index = ready[random_.below(ready.size())];
    Seat& seat = seats_[index];
    seat.task->begin_step();
    const StepResult result = seat.task->step(now);
    seat.task->end_step(clock_.now() - now);
    seat.again = result.next == StepResult::Next::kAgain;
    seat.due = result.wake_at;
    if (result.next == StepResult::Next::kGone) {
        Schedulable* const task = seat.task;
        seats_.erase(seats_.begin() + static_cast<std::ptrdiff_t>(index));
        task->left();
    }
    return true;
}

bool Stepper::run(std::uint64_t steps_max) {
    for (std::uint64_t steps = 0; steps < steps_max; ++steps) {
        if (!step_one()) return true;
    }
    return false;
}

TimePoint Stepper::next_due() const {
    TimePoint due = TimePoint::max();
    for (const Seat& seat : seats_) due = std::min(due, seat.due);
    return due;
}

}  // namespace millrace::task
