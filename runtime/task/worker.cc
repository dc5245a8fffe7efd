#include "runtime/task/worker.h"

#include <algorithm>
#include <utility>

#include <pthread.h>

#include "runtime/base/check.h"

namespace millrace::task {

namespace {

// Tells the processor that this is a spin loop.
void relax() {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#else
    std::this_thread::yield();
#endif
}

}  // namespace

Worker::~Worker() { MILLRACE_CHECK(!thread_.joinable()); }

void Worker::start() {
    thread_ = std::thread([this] { run(); });
    constexpr std::size_t kNameMax = 15;  // What the kernel keeps of a thread's name.
    pthread_setname_np(thread_.native_handle(), name_.substr(0, kNameMax).c_str());
}

void Worker::seat(Schedulable& task) {
    MILLRACE_CHECK_LT(task_count(), kTasksMax);
    count_.fetch_add(1, std::memory_order_relaxed);
    task.set_home(&sleeper_);
    {
        MutexLock lock(mutex_);
        arrivals_.push_back(&task);
    }
    has_mail_.store(true);
    sleeper_.ring();
}

void Worker::move_away(const Schedulable* task, Worker& to) {
    {
        MutexLock lock(mutex_);
        departures_.push_back({.task = task, .to = &to});
    }
    has_mail_.store(true);
    sleeper_.ring();
}

void Worker::request_stop() {
    stops_.store(true);
    has_mail_.store(true);
    sleeper_.ring();
}

void Worker::join() {
    if (thread_.joinable()) thread_.join();
}

void Worker::run() {
    TimePoint worked_at = clock_.now();
    sampled_at_ = worked_at;
    while (true) {
        read_mailbox();
        if (stops_.load()) return;
        if (walk()) {
            worked_at = clock_.now();
        } else {
            spin_then_sleep(worked_at);
        }
    }
}

void Worker::read_mailbox() {
    if (!has_mail_.load(std::memory_order_relaxed)) return;
    has_mail_.store(false);
    std::vector<Schedulable*> arrivals;
    std::vector<Move> departures;
    {
        MutexLock lock(mutex_);
        arrivals.swap(arrivals_);
        departures.swap(departures_);
    }
    for (Schedulable* task : arrivals) {
        seats_.push_back({.task = task, .again = true, .sampled_run_ns = task->run_ns()});
    }
    for (const Move& move : departures) hand_over(move);
}

void Worker::hand_over(const Move& move) {
    const auto seat =
        std::ranges::find_if(seats_, [&](const Seat& s) { return s.task == move.task; });
    if (seat == seats_.end() || move.to == this) return;
    Schedulable* const task = seat->task;
    seats_.erase(seat);
    count_.fetch_sub(1, std::memory_order_relaxed);
    move.to->seat(*task);
}

StepResult Worker::step(Seat& seat, TimePoint& now) {
    seat.task->begin_step();
    const StepResult result = seat.task->step(now);
    const TimePoint end = clock_.now();
    seat.task->end_step(end - now);
    now = end;
    seat.again = result.next == StepResult::Next::kAgain;
    seat.due = result.wake_at;
    return result;
}

bool Worker::walk() {
    bool worked = false;
    TimePoint now = clock_.now();
    if (now >= sampled_at_ + kSampleEvery) take_sample(now);
    for (std::size_t i = 0; i < seats_.size();) {
        Seat& seat = seats_[i];
        if (!seat.again && seat.due > now && !seat.task->is_ready()) {
            ++i;
            continue;
        }
        const StepResult result = step(seat, now);
        worked = worked || result.worked;
        if (result.next == StepResult::Next::kGone) {
            let_go(i);
        } else {
            ++i;
        }
    }
    return worked;
}

void Worker::let_go(std::size_t index) {
    Schedulable* const task = seats_[index].task;
    seats_.erase(seats_.begin() + static_cast<std::ptrdiff_t>(index));
    task->set_home(nullptr);
    task->left();
    count_.fetch_sub(1, std::memory_order_relaxed);
    tasks_inside_.leave();
}

void Worker::take_sample(TimePoint now) {
    const double elapsed_ns = static_cast<double>((now - sampled_at_).count());
    std::vector<Load> sample;
    for (Seat& seat : seats_) {
        const std::uint64_t run_ns = seat.task->run_ns();
        const auto ran_ns = static_cast<double>(run_ns - seat.sampled_run_ns);
        sample.push_back({.task = seat.task, .busy = std::min(1.0, ran_ns / elapsed_ns)});
        seat.sampled_run_ns = run_ns;
    }
    sampled_at_ = now;
    MutexLock lock(mutex_);
    sample_ = std::move(sample);
    sample_until_ = now + 2 * kSampleEvery;
}

std::vector<Worker::Load> Worker::loads(TimePoint now) const {
    MutexLock lock(mutex_);
    std::vector<Load> loads = sample_;
    if (now > sample_until_) {
        for (Load& load : loads) load.busy = 0;
    }
    return loads;
}

bool Worker::has_work(TimePoint now) const {
    if (has_mail_.load()) return true;
    return std::ranges::any_of(seats_, [&](const Seat& seat) {
        return seat.again || seat.due <= now || seat.task->is_ready();
    });
}

TimePoint Worker::first_due() const {
    TimePoint due = TimePoint::max();
    for (const Seat& seat : seats_) due = std::min(due, seat.due);
    return due;
}

void Worker::spin_then_sleep(TimePoint worked_at) {
    TimePoint now = clock_.now();
    for (; now - worked_at < kSpin; now = clock_.now()) {
        if (has_work(now)) return;
        relax();
    }
    const TimePoint due = first_due();
    const Duration most = due == TimePoint::max() ? Duration::max() : due - now;
    sleeper_.sleep(most, [&] { return has_work(now); });
}

}  // namespace millrace::task
