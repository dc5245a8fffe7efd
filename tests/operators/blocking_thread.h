// A thread for what may block.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

#include "operators/detachable_waker.h"
#include "runtime/base/run_blocking.h"

namespace millrace::operators::test {

// One thread that may block, and runs what it is given in order.
class BlockingThread {
  public:
    BlockingThread() : thread_([this] { run(); }) {}
    ~BlockingThread() {
        {
            const std::lock_guard lock(mutex_);
            stopped_ = true;
        }
        changed_.notify_all();
        thread_.join();
    }
    BlockingThread(const BlockingThread&) = delete;
    BlockingThread& operator=(const BlockingThread&) = delete;

    RunBlocking submit() {
        return [this](std::function<void()> work) {
            const std::lock_guard lock(mutex_);
            work_.push_back(std::move(work));
            changed_.notify_all();
            return Status();
        };
    }

  private:
    void run() {
        std::unique_lock lock(mutex_);
        while (true) {
            changed_.wait(lock, [&] { return stopped_ || !work_.empty(); });
            if (work_.empty()) return;
            const auto work = std::move(work_.front());
            work_.pop_front();
            lock.unlock();
            work();
            lock.lock();
        }
    }

    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<std::function<void()>> work_;
    bool stopped_ = false;
    std::thread thread_;
};

}  // namespace millrace::operators::test
