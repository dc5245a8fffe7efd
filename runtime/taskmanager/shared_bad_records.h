// Counts a job's bad records in one TaskManager and stops the job when their share is too high.
//
// Threads:    any; one lock a batch of good records, or a bad record.
// Ownership:  shared by the tasks of one attempt.
// Limits:     none grow: counts of the last minute.
// Failure:    on_bad_record() answers kInvalidArgument once the share is passed.

#pragma once

#include "runtime/base/thread_annotations.h"
#include "runtime/task/bad_records.h"

namespace millrace::taskmanager {

class SharedBadRecords final : public task::BadRecordPolicy {
  public:
    // Below this many records of the last minute a share says nothing yet, unless it is 0.
    static constexpr std::uint64_t kRecordsMin = 1000;

    // `stop_if_over`: 0 fails at the first bad record, 1 never.
    explicit SharedBadRecords(double stop_if_over) : stop_if_over_(stop_if_over) {}

    void on_records_read(std::uint64_t records, TimePoint now) override MILLRACE_EXCLUDES(mutex_);
    Status on_bad_record(std::string_view step, const operators::Rejection& rejection,
                         TimePoint now) override MILLRACE_EXCLUDES(mutex_);
    // Since the attempt began.
    [[nodiscard]] std::uint64_t total() const MILLRACE_EXCLUDES(mutex_);

  private:
    const double stop_if_over_;
    mutable Mutex mutex_;
    task::BadRecordShare share_ MILLRACE_GUARDED_BY(mutex_);
    std::uint64_t total_ MILLRACE_GUARDED_BY(mutex_) = 0;
};

}  // namespace millrace::taskmanager
