// Counts a job's bad records in one TaskManager and stops the job when their share is too high.
// The first one is logged with its place and cause; it is often the same for all.
//
// Threads:    any; one lock a batch of good records, or a bad record.
// Ownership:  shared by the tasks of one attempt.
// Limits:     none grow: counts of the last minute.
// Failure:    on_bad_record() answers kInvalidArgument once the share is passed; on_all_bad() too,
//             however few they were.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "runtime/base/thread_annotations.h"
#include "runtime/task/bad_records.h"

namespace millrace::taskmanager {

class SharedBadRecords final : public task::BadRecordPolicy {
  public:
    // Below this many records of the last minute a share says nothing yet, unless it is 0.
    static constexpr std::uint64_t kRecordsMin = 1000;

    // `stop_if_over`: 0 fails at the first bad record, 1 never.
    SharedBadRecords(std::string job, double stop_if_over)
        : job_(std::move(job)), stop_if_over_(stop_if_over) {}

    void on_records_read(std::uint64_t records, TimePoint now) override MILLRACE_EXCLUDES(mutex_);
    Status on_bad_record(std::string_view step, const operators::Rejection& rejection,
                         TimePoint now) override MILLRACE_EXCLUDES(mutex_);
    Status on_all_bad(std::string_view step, std::uint64_t bad) override MILLRACE_EXCLUDES(mutex_);
    // Since the attempt began.
    [[nodiscard]] std::uint64_t total() const MILLRACE_EXCLUDES(mutex_);

  private:
    void note_first(std::string_view step, const operators::Rejection& rejection)
        MILLRACE_REQUIRES(mutex_);

    const std::string job_;
    const double stop_if_over_;
    mutable Mutex mutex_;
    task::BadRecordShare share_ MILLRACE_GUARDED_BY(mutex_);
    std::uint64_t total_ MILLRACE_GUARDED_BY(mutex_) = 0;
    std::string first_ MILLRACE_GUARDED_BY(mutex_);  // Where the first one was, and why.
};

}  // namespace millrace::taskmanager
