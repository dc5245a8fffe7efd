// Counts a job's bad records in one TaskManager and stops the job when their share is too high: of
// the last minute, once there are enough records to tell, and of all that a source has read when
// its last subtask here ends, however few they were. The first bad record is logged with its place
// and cause; it is often the same for all.
//
// Threads:    any; one lock a batch of good records, or a bad record.
// Ownership:  shared by the tasks of one attempt.
// Limits:     none grow: counts of the last minute, and of each source.
// Failure:    on_bad_record() and on_source_end() answer kInvalidArgument when the share is passed.

#pragma once

#include <cstdint>
#include <functional>
#include <map>
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
    void add_source(std::string_view step) override MILLRACE_EXCLUDES(mutex_);
    // REQUIRES: add_source(step) for each subtask that ends.
    Status on_source_end(std::string_view step, std::uint64_t good, std::uint64_t bad) override
        MILLRACE_EXCLUDES(mutex_);
    // Since the attempt began.
    [[nodiscard]] std::uint64_t total() const MILLRACE_EXCLUDES(mutex_);

  private:
    struct SourceCounts {
        std::uint32_t running = 0;  // Subtasks that have not ended.
        std::uint64_t good = 0;     // Of those that have.
        std::uint64_t bad = 0;
        std::string first_bad = {};  // Where it was, and why.
    };

    void note_first(std::string_view step, const operators::Rejection& rejection)
        MILLRACE_REQUIRES(mutex_);

    const std::string job_;
    const double stop_if_over_;
    mutable Mutex mutex_;
    task::BadRecordShare share_ MILLRACE_GUARDED_BY(mutex_);
    std::uint64_t total_ MILLRACE_GUARDED_BY(mutex_) = 0;
    std::map<std::string, SourceCounts, std::less<>> sources_ MILLRACE_GUARDED_BY(mutex_);
};

}  // namespace millrace::taskmanager
