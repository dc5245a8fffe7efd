#include "runtime/net/event_loop.h"

#include <condition_variable>
#include <csignal>
#include <mutex>
#include <unordered_map>

#include <pthread.h>

#include "runtime/base/check.h"
#include "runtime/net/asio.h"

namespace millrace::net {

struct EventLoop::State {
    asio::io_context context{1};
    // Touched by the loop only.
    std::unordered_map<TimerId, asio::steady_timer> timers;
    std::unique_ptr<asio::signal_set> signals;
    std::function<void(int)> on_signal;

    void start_timer(TimerId id, TimePoint due, std::function<void()> fn);
    void await_signal();
};

void EventLoop::State::start_timer(TimerId id, TimePoint due, std::function<void()> fn) {
    MILLRACE_CHECK_LT(timers.size(), kTimersMax);
    const auto [it, inserted] = timers.try_emplace(id, context);
    MILLRACE_CHECK(inserted);
    it->second.expires_at(due);
    it->second.async_wait([this, id, fn = std::move(fn)](const boost::system::error_code&) {
        // A timer that is no longer listed was cancelled, even if its time had come.
        if (timers.erase(id) == 1) fn();
    });
}

void EventLoop::State::await_signal() {
    signals->async_wait([this](const boost::system::error_code& error, int signal) {
        if (error) return;
        await_signal();
        on_signal(signal);
    });
}

EventLoop::EventLoop() : state_(std::make_unique<State>()) {}

EventLoop::~EventLoop() { MILLRACE_CHECK(thread_.load() == std::thread::id()); }

void EventLoop::run(const std::string& thread_name) {
    std::thread::id nobody;
    MILLRACE_CHECK(thread_.compare_exchange_strong(nobody, std::this_thread::get_id()));
    if (!thread_name.empty()) pthread_setname_np(pthread_self(), thread_name.substr(0, 15).c_str());
    {
        // Before restart(), because the end of the last work stops a context.
        const auto work = asio::make_work_guard(state_->context);
        state_->context.run();
    }
    thread_.store(std::thread::id());
    state_->context.restart();
}

void EventLoop::stop() { state_->context.stop(); }

void EventLoop::post(std::function<void()> fn) { asio::post(state_->context, std::move(fn)); }

TimerId EventLoop::post_after(Duration delay, std::function<void()> fn) {
    const TimerId id{next_timer_.fetch_add(1, std::memory_order_relaxed)};
    const TimePoint due = SystemClock().now() + delay;
    if (is_current_thread()) {
        state_->start_timer(id, due, std::move(fn));
    } else {
        post([this, id, due, fn = std::move(fn)]() mutable {
            state_->start_timer(id, due, std::move(fn));
        });
    }
    return id;
}

void EventLoop::cancel(TimerId id) {
    if (is_current_thread()) {
        state_->timers.erase(id);
    } else {
        post([this, id] { state_->timers.erase(id); });
    }
}

void EventLoop::call(const std::function<void()>& fn) {
    if (thread_.load() == std::this_thread::get_id()) {
        fn();
        return;
    }
    std::mutex mutex;
    std::condition_variable finished;
    bool done = false;
    post([&] {
        fn();
        const std::lock_guard lock(mutex);
        done = true;
        finished.notify_one();
    });
    std::unique_lock lock(mutex);
    finished.wait(lock, [&] { return done; });
}

void EventLoop::watch_stop_signals(std::function<void(int signal)> on_signal) {
    MILLRACE_CHECK(state_->signals == nullptr && is_current_thread());
    state_->on_signal = std::move(on_signal);
    state_->signals = std::make_unique<asio::signal_set>(state_->context, SIGINT, SIGTERM);
    state_->await_signal();
}

bool EventLoop::is_current_thread() const {
    const std::thread::id owner = thread_.load();
    return owner == std::thread::id() || owner == std::this_thread::get_id();
}

boost::asio::io_context& EventLoop::context() { return state_->context; }

EventLoopThread::EventLoopThread(const std::string& thread_name)
    : thread_([this, thread_name] { loop_.run(thread_name); }) {
    // From here on the loop belongs to its thread.
    loop_.call([] {});
}

EventLoopThread::~EventLoopThread() {
    loop_.stop();
    thread_.join();
}

}  // namespace millrace::net
