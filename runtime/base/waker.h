// Rings a task, so that it is stepped again: what channels, timers and libraries call when
// something that a task waits for has come.
//
// Threads:    wake() from any thread, library threads included.
// Ownership:  whoever rings borrows the Waker; its task outlives every ringer.
// Failure:    none. A needless ring costs a step that finds nothing to do.

#pragma once

namespace millrace {

class Waker {
  public:
    virtual ~Waker() = default;
    // Cheap when the task is awake anyway. What was written before the call is seen by the step
    // that follows it.
    virtual void wake() noexcept = 0;
};

}  // namespace millrace
