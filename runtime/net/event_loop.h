// Runs callbacks, timers and sockets one after another on one thread.
//
// Both processes have one loop as their control thread, which owns all their state, and a
// TaskManager has a second one as its network thread. What belongs to a loop is touched only by
// callbacks of that loop; other threads post().
//
// Threads:    post(), post_after(), cancel(), call() and stop(): any. run(): one, once at a time.
// Ownership:  owns its callbacks; everything made on the loop must be destroyed before it, and
//             callbacks that have not run when the loop is destroyed are destroyed unrun.
// Limits:     kTimersMax pending timers. Posted callbacks are not limited: whoever posts bounds
//             what it has under way.
// Failure:    none; an exception that leaves a callback ends the process.

#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "runtime/base/clock.h"

namespace boost::asio {
class io_context;
}  // namespace boost::asio

namespace millrace::net {

enum class TimerId : std::uint64_t {};

class EventLoop {
  public:
    static constexpr std::size_t kTimersMax = 1 << 20;

    EventLoop();
    EventLoop(const EventLoop&) = delete;
    EventLoop& operator=(const EventLoop&) = delete;
    // REQUIRES: run() is not active.
    ~EventLoop();

    // Runs callbacks on the calling thread until stop(). `thread_name` is shown by the system's
    // tools, cut at 15 characters; the thread keeps its name when it is empty. May be called again
    // after it returned.
    void run(const std::string& thread_name);
    // Makes run() return after the callback in hand. A stop() before run() makes that run() return
    // at once.
    void stop();

    // Runs `fn` on the loop, after everything posted before it.
    void post(std::function<void()> fn);
    // Runs `fn` on the loop when `delay` has passed.
    TimerId post_after(Duration delay, std::function<void()> fn);
    // Forgets a timer. On the loop's thread it is certain not to run any more; from elsewhere it
    // may be running now. A timer that has run, or was cancelled, is ignored.
    void cancel(TimerId id);
    // Runs `fn` on the loop and waits for it; directly when already on the loop's thread.
    // REQUIRES: run() is active, or will be while this waits.
    void call(const std::function<void()>& fn);

    // Calls `on_signal` on the loop for each SIGINT and SIGTERM, in place of the default action.
    // REQUIRES: called at most once, before run().
    void watch_stop_signals(std::function<void(int signal)> on_signal);

    // True inside a callback of this loop, and when the loop is not running (setting up, taking
    // down): whoever may touch what the loop owns.
    [[nodiscard]] bool is_current_thread() const;

    // For the .cc files of this folder.
    [[nodiscard]] boost::asio::io_context& context();

  private:
    struct State;

    std::unique_ptr<State> state_;
    std::atomic<std::thread::id> thread_{};
    std::atomic<std::uint64_t> next_timer_{1};
};

// A loop with a thread of its own: started by the constructor, stopped and joined by the
// destructor.
class EventLoopThread {
  public:
    explicit EventLoopThread(const std::string& thread_name);
    EventLoopThread(const EventLoopThread&) = delete;
    EventLoopThread& operator=(const EventLoopThread&) = delete;
    ~EventLoopThread();

    [[nodiscard]] EventLoop& loop() { return loop_; }

  private:
    EventLoop loop_;
    std::thread thread_;
};

}  // namespace millrace::net
