// Follows one partition: where reading stands, and what to do about an error there.
//
// Rules of a fetcher that never skips and never repeats: the own position is the last delivered
// offset + 1, or the last reported end if that is higher; gaps in the offsets are normal
// (transactions leave them). A damaged batch is tried again from the own position, and nothing that
// was fetched behind it counts until then; at the third error without progress it is the task's
// failure. Records that are there and do not come for kStallMax, although all that did come was
// read, are a failure too, because some damage shows as silence only.
//
// Threads:    the task's.
// Ownership:  a value.
// Limits:     kErrorsMax errors, kStallMax of silence.
// Failure:    it only decides; the reader acts.

#pragma once

#include <cstdint>
#include <optional>

#include "operators/kafka/kafka_handles.h"
#include "runtime/base/clock.h"

namespace millrace::operators {

class PartitionCursor {
  public:
    static constexpr int kErrorsMax = 3;
    static constexpr Duration kStallMax = std::chrono::seconds(30);

    enum class Reaction : std::uint8_t {
        kNothing,      // librdkafka goes on by itself.
        kAssignAgain,  // At position().
        kCorrupt,      // The records at position() cannot be read.
        kOutOfRange,   // position() is not in the log.
        kGone,         // The topic or partition does not exist any more.
        kDenied,       // Reading it is not allowed.
    };

    explicit PartitionCursor(std::int64_t position) : position_(position) {}

    // False: the record is not to be taken. It was fetched behind damage, and comes again if it is
    // good.
    [[nodiscard]] bool on_record(std::int64_t offset) {
        if (is_to_assign_) return false;
        position_ = offset + 1;
        at_end_ = false;
        progress();
        return true;
    }
    void on_end(std::int64_t offset) {
        if (is_to_assign_) return;
        if (offset > position_) position_ = offset;
        at_end_ = true;
        progress();
    }
    [[nodiscard]] Reaction on_error(rd_kafka_resp_err_t error);
    // kAssignAgain was answered, and not done yet.
    [[nodiscard]] bool is_to_assign() const { return is_to_assign_; }
    void on_assigned() { is_to_assign_ = false; }

    // To be called after a read that brought nothing. `high_mark` is the end of the log if a broker
    // has just told it, nothing if it could not be asked. True when reading has stalled for good.
    [[nodiscard]] bool is_stalled(std::optional<std::int64_t> high_mark, TimePoint now);
    // Reading has paused, or brought other partitions' records all the time: that nothing came of
    // this one meanwhile says nothing.
    void on_pause() { stalled_since_.reset(); }

    // Errors since the last progress.
    [[nodiscard]] int errors() const { return errors_; }
    // The next offset to deliver.
    [[nodiscard]] std::int64_t position() const { return position_; }
    // True when the last thing heard of it was its end.
    [[nodiscard]] bool at_end() const { return at_end_; }

  private:
    void progress() {
        errors_ = 0;
        stalled_since_.reset();
    }

    std::int64_t position_;
    bool at_end_ = false;
    bool is_to_assign_ = false;
    int errors_ = 0;  // Since the last progress.
    std::optional<TimePoint> stalled_since_;
};

}  // namespace millrace::operators
