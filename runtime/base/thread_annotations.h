// A mutex that clang's thread-safety analysis understands, and the annotations for its members.
//
// Mutexes stand only in memory pools, mailboxes, metrics and options (see the thread table in
// runtime/README.md); no callback is called with one held, and no two are held at once.
//
// Threads:    any.
// Failure:    none.

#pragma once

#include <mutex>

#if defined(__clang__)
#define MILLRACE_ANNOTATION(x) __attribute__((x))
#else
#define MILLRACE_ANNOTATION(x)
#endif

#define MILLRACE_GUARDED_BY(m) MILLRACE_ANNOTATION(guarded_by(m))
#define MILLRACE_REQUIRES(m) MILLRACE_ANNOTATION(requires_capability(m))
#define MILLRACE_EXCLUDES(m) MILLRACE_ANNOTATION(locks_excluded(m))

namespace millrace {

class MILLRACE_ANNOTATION(capability("mutex")) Mutex {
  public:
    void lock() MILLRACE_ANNOTATION(acquire_capability()) { mutex_.lock(); }
    void unlock() MILLRACE_ANNOTATION(release_capability()) { mutex_.unlock(); }
    bool try_lock() MILLRACE_ANNOTATION(try_acquire_capability(true)) { return mutex_.try_lock(); }

  private:
    std::mutex mutex_;
};

class MILLRACE_ANNOTATION(scoped_lockable) MutexLock {
  public:
    explicit MutexLock(Mutex& mutex) MILLRACE_ANNOTATION(acquire_capability(mutex))
        : mutex_(mutex) {
        mutex_.lock();
    }
    ~MutexLock() MILLRACE_ANNOTATION(release_capability()) { mutex_.unlock(); }
    MutexLock(const MutexLock&) = delete;
    MutexLock& operator=(const MutexLock&) = delete;

  private:
    Mutex& mutex_;
};

}  // namespace millrace
