#include "runtime/task/worker_pool.h"

#include <algorithm>
#include <utility>

#include "runtime/base/check.h"
#include "runtime/task/load_balance.h"

namespace millrace::task {

// Runs once a second, as a task among the others: reads what the workers wrote down and asks them
// to hand tasks over.
class WorkerPool::Balancer final : public Schedulable {
  public:
    explicit Balancer(WorkerPool& pool) : pool_(pool) {}

    StepResult step(TimePoint now) override {
        if (stops_.load()) return {.next = StepResult::Next::kGone};
        if (now >= next_) {
            next_ = now + kBalanceEvery;
            balance(now);
        }
        return {.wake_at = next_};
    }
    void request_stop() {
        stops_.store(true);
        wake();
    }

  private:
    void balance(TimePoint now) {
        std::vector<TaskLoad> loads;
        std::vector<const Schedulable*> tasks;
        for (std::size_t w = 0; w < pool_.workers_.size(); ++w) {
            for (const Worker::Load& load : pool_.workers_[w]->loads(now)) {
                if (load.task == this) continue;
                loads.push_back({.worker = w, .busy = load.busy});
                tasks.push_back(load.task);
            }
        }
        for (const TaskMove& move : plan_moves(loads, pool_.workers_.size())) {
            pool_.workers_[loads[move.task].worker]->move_away(tasks[move.task],
                                                               *pool_.workers_[move.to]);
        }
    }

    WorkerPool& pool_;
    std::atomic<bool> stops_{false};
    TimePoint next_ = TimePoint::min();  // The first step finds no sample yet and moves nothing.
};

WorkerPool::WorkerPool(const Clock& clock, std::size_t workers)
    : balancer_(std::make_unique<Balancer>(*this)) {
    MILLRACE_CHECK_GT(workers, 0U);
    for (std::size_t i = 0; i < workers; ++i) {
        workers_.push_back(
            std::make_unique<Worker>(clock, fmt::format("worker-{}", i), tasks_inside_));
    }
}

WorkerPool::~WorkerPool() {
    MutexLock lock(mutex_);
    MILLRACE_CHECK(!is_running_);
}

void WorkerPool::start() {
    {
        MutexLock lock(mutex_);
        MILLRACE_CHECK(!is_running_);
        is_running_ = true;
    }
    for (const auto& worker : workers_) worker->start();
    add(*balancer_);
}

void WorkerPool::add(Schedulable& task) {
    {
        MutexLock lock(mutex_);
        MILLRACE_CHECK(is_running_);
        tasks_inside_.enter();
    }
    (*std::ranges::min_element(workers_, {}, [](const auto& w) {
        return w->task_count();
    }))->seat(task);
}

void WorkerPool::stop() {
    {
        MutexLock lock(mutex_);
        if (!std::exchange(is_running_, false)) return;
    }
    balancer_->request_stop();
    tasks_inside_.wait_until_empty();
    for (const auto& worker : workers_) worker->request_stop();
    for (const auto& worker : workers_) worker->join();
}

}  // namespace millrace::task
