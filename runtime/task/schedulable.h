// What a worker steps: a task, seen as something that is ready, waits, or is gone.
//
// Readiness is one flag. wake() sets it and then rings the home worker if that one sleeps; the
// worker clears it *before* each step, so whatever came before the step is seen by the step, and
// whatever comes during it causes another one. No wake-up can be lost.
//
// Threads:    wake() from any; step() and left() from the worker that is home.
// Ownership:  borrowed by the worker from WorkerPool::add() until left().
// Limits:     step() works at most about kSlice.
// Failure:    step() never throws; what fails inside is the task's own affair.

#pragma once

#include <atomic>
#include <cstdint>

#include "runtime/base/clock.h"
#include "runtime/base/waker.h"
#include "runtime/task/sleeper.h"

namespace millrace::task {

// How long one step may work before it must let its neighbours go on.
inline constexpr Duration kSlice = std::chrono::milliseconds(1);

struct StepResult {
    enum class Next : std::uint8_t {
        kAgain,  // More to do at once.
        kWait,   // Nothing to do before a wake() or `wake_at`.
        kGone,   // Ended; the worker lets go and calls left().
    };
    Next next = Next::kWait;
    bool worked = false;                   // False when the step found nothing to do.
    TimePoint wake_at = TimePoint::max();  // kWait only.
};

class Schedulable : public Waker {
  public:
    Schedulable() = default;
    Schedulable(const Schedulable&) = delete;
    Schedulable& operator=(const Schedulable&) = delete;

    void wake() noexcept final {
        if (ready_.exchange(true)) return;  // Whoever set it rings.
        Sleeper* const home = home_.load();
        if (home != nullptr) home->ring();
    }

    [[nodiscard]] virtual StepResult step(TimePoint now) = 0;
    // The worker has let go: the last call from it. The object may be destroyed from here on.
    virtual void left() noexcept {}

    // Time spent inside step() so far.
    [[nodiscard]] std::uint64_t run_ns() const { return run_ns_.load(std::memory_order_relaxed); }

    // For whoever steps it (Worker, Stepper); nobody else.

    // True when wake() was called since the last begin_step().
    [[nodiscard]] bool is_ready() const { return ready_.load(); }
    void begin_step() { was_rung_ = ready_.exchange(false); }
    void end_step(Duration ran) {
        run_ns_.store(run_ns() + static_cast<std::uint64_t>(ran.count()),
                      std::memory_order_relaxed);
    }
    // Names the worker whose bell wake() rings; null while nobody steps it.
    void set_home(Sleeper* home) { home_.store(home); }

  protected:
    // True when somebody rang since the step before this one.
    [[nodiscard]] bool was_rung() const { return was_rung_; }

  private:
    std::atomic<bool> ready_{true};
    std::atomic<Sleeper*> home_{nullptr};
    std::atomic<std::uint64_t> run_ns_{0};
    bool was_rung_ = true;  // The stepping thread's.
};

}  // namespace millrace::task
