#include "runtime/task/blocking_pool.h"

#include <string>
#include <utility>

#include <pthread.h>

#include "runtime/base/check.h"

namespace millrace::task {

BlockingPool::~BlockingPool() { MILLRACE_CHECK(threads_.empty()); }

void BlockingPool::start() {
    MILLRACE_CHECK_GT(limits_.threads, 0U);
    {
        MutexLock lock(mutex_);
        MILLRACE_CHECK(!is_running_);
        is_running_ = true;
    }
    for (std::size_t i = 0; i < limits_.threads; ++i) {
        threads_.emplace_back([this] { run(); });
        pthread_setname_np(threads_.back().native_handle(), fmt::format("blocking-{}", i).c_str());
    }
}

Status BlockingPool::submit(std::function<void()> work) {
    {
        MutexLock lock(mutex_);
        if (!is_running_) return fail(Code::kUnavailable, "the blocking pool has stopped");
        if (queue_.size() >= limits_.queue_max) {
            return fail(Code::kResourceExhausted,
                        "the queue of slow work is full: {} functions wait for {} threads",
                        queue_.size(), limits_.threads);
        }
        queue_.push_back(std::move(work));
    }
    changed_.notify_one();
    return {};
}

void BlockingPool::stop() {
    {
        MutexLock lock(mutex_);
        is_running_ = false;
    }
    changed_.notify_all();
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
}

std::size_t BlockingPool::waiting() const {
    MutexLock lock(mutex_);
    return queue_.size();
}

void BlockingPool::run() {
    while (const auto work = next()) work();
}

std::function<void()> BlockingPool::next() {
    MutexLock lock(mutex_);
    while (queue_.empty() && is_running_) changed_.wait(mutex_);
    if (queue_.empty()) return {};
    std::function<void()> work = std::move(queue_.front());
    queue_.pop_front();
    return work;
}

}  // namespace millrace::task
