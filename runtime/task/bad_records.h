// What happens to records that cannot be used: counted against a limit, and sent to the dead
// letters as rows of the stream `errors`.
//
// Threads:    BadRecordPolicy from any thread; BadRecordShare one owner; the others the task's.
// Ownership:  the policy belongs to the job in this TaskManager and outlives its tasks.
// Limits:     an errors batch is as large as any batch; BadRecordShare keeps 60 seconds.
// Failure:    kInvalidArgument when the limit is passed, kResourceExhausted without memory.

#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "operators/operator.h"
#include "runtime/base/clock.h"
#include "runtime/base/status.h"
#include "runtime/data/batch_memory.h"
#include "runtime/task/output_edge.h"

namespace millrace::task {

// Decides when bad records are too many. One per job and TaskManager, shared by its tasks.
class BadRecordPolicy {
  public:
    virtual ~BadRecordPolicy() = default;
    // A source handed on this many records.
    virtual void on_records_read(std::uint64_t records, TimePoint now) = 0;
    // An Error fails the task: the limit is passed.
    virtual Status on_bad_record(std::string_view step, const operators::Rejection& rejection,
                                 TimePoint now) = 0;
    // A subtask of source `step` will run here. All of them are added before the first one runs.
    virtual void add_source(std::string_view /*step*/) {}
    // A subtask of source `step` came to its end. An Error fails the task.
    virtual Status on_source_end(std::string_view /*step*/, std::uint64_t /*good*/,
                                 std::uint64_t /*bad*/) {
        return {};
    }
};

// The share of bad records among all of the last minute.
class BadRecordShare {
  public:
    static constexpr std::size_t kSeconds = 60;

    void add(std::uint64_t good, std::uint64_t bad, TimePoint now);
    // 0 to 1; 0 when there was none.
    [[nodiscard]] double share(TimePoint now) const;
    [[nodiscard]] std::uint64_t bad(TimePoint now) const;
    [[nodiscard]] std::uint64_t all(TimePoint now) const;

  private:
    struct Second {
        std::int64_t number = -1;  // Since the clock's beginning.
        std::uint64_t good = 0;
        std::uint64_t bad = 0;
    };
    [[nodiscard]] Second sum(TimePoint now) const;

    std::array<Second, kSeconds> seconds_;
};

// Collects rejected records as rows of the stream `errors` (operators/error_stream.h) and sends
// them to every sink that reads it.
class ErrorRows {
  public:
    // How long the first of a few rows waits for others.
    static constexpr Duration kLinger = std::chrono::milliseconds(2);

    // REQUIRES: at least one edge.
    ErrorRows(std::vector<std::unique_ptr<OutputEdge>> edges, data::BatchMemory& memory);

    Status append(std::string_view step, const operators::Rejection& rejection, TimePoint now);
    // Sends what is there.
    Status flush(TimePoint now);
    // Carries on with what is held back and sends what lingered long enough.
    Status advance(TimePoint now);
    [[nodiscard]] TimePoint next_tick() const;
    // Sends what is there, then the barrier or end. REQUIRES: has_control_room().
    Status place_control(const data::Element& control, TimePoint now);
    [[nodiscard]] bool has_room();
    // True when a barrier or the end may be placed: rows that wait go before it.
    [[nodiscard]] bool has_control_room();
    [[nodiscard]] std::span<const std::unique_ptr<OutputEdge>> edges() const { return edges_; }

  private:
    Status append_headers(std::span<const operators::RecordHeader> headers);

    std::vector<std::unique_ptr<OutputEdge>> edges_;
    data::BatchBuilder builder_;
    TimePoint oldest_ = TimePoint::max();  // When the first row that waits came.
};

// Where a task's operators take their rejected records: counts them, then hands them on.
class BadRecords {
  public:
    // Without `errors` the records are counted and dropped.
    BadRecords(BadRecordPolicy& policy, std::unique_ptr<ErrorRows> errors)
        : policy_(policy), errors_(std::move(errors)) {}

    Status reject(std::string_view step, const operators::Rejection& rejection, TimePoint now);
    void on_records_read(std::uint64_t records, TimePoint now) {
        policy_.on_records_read(records, now);
    }
    void add_source(std::string_view step) { policy_.add_source(step); }
    Status on_source_end(std::string_view step, std::uint64_t good, std::uint64_t bad) {
        return policy_.on_source_end(step, good, bad);
    }
    [[nodiscard]] ErrorRows* errors() { return errors_.get(); }
    [[nodiscard]] const ErrorRows* errors() const { return errors_.get(); }

  private:
    BadRecordPolicy& policy_;
    std::unique_ptr<ErrorRows> errors_;
};

}  // namespace millrace::task
