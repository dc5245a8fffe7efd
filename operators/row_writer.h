// Writes rows as lines to a file descriptor, on a thread that may block.
//
// There are two buffers: rows are encoded into one while the other is being written. When both are
// full the caller waits; so a slow terminal or disk holds its own job back and nothing else. A pipe
// that has no room is given kPatience, then its thread goes back to the pool, and the rest is tried
// again kRetryAfter later: a reader that has stopped holds up no other writer.
//
// Threads:    the task's; the writing happens on a thread that may block, one write at a time.
// Ownership:  shares descriptor and buffer with a write under way, which may outlive this object.
//             The buffers are the slot's, and come back when the last write has ended.
// Limits:     scratch(); a row that does not fit into a buffer is an error.
// Failure:    kUnavailable with the system's words, once; nothing is written after it.

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "memory/segment.h"
#include "operators/detachable_waker.h"
#include "operators/format/record_encoder.h"
#include "operators/operator.h"
#include "runtime/base/run_blocking.h"
#include "runtime/base/status.h"
#include "runtime/data/batch.h"

namespace millrace::operators {

// A descriptor that is closed with its last user, unless it is only lent.
class Descriptor {
  public:
    enum class Ownership : bool { kLent, kOwned };

    Descriptor(int fd, Ownership ownership) : fd_(fd), ownership_(ownership) {}
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    ~Descriptor();

    [[nodiscard]] int get() const { return fd_; }

  private:
    const int fd_;
    const Ownership ownership_;
};

class RowWriter {
  public:
    static constexpr std::size_t kBufferBytes = std::size_t{256} << 10;
    static constexpr std::size_t kRowsMax = 256;  // Encoded in one go.
    static constexpr Duration kPatience = std::chrono::milliseconds(10);
    static constexpr Duration kRetryAfter = std::chrono::milliseconds(200);

    // What it takes of the slot.
    [[nodiscard]] static std::vector<std::size_t> scratch() { return {kBufferBytes, kBufferBytes}; }

    // `name` of the file, for messages. Errors: kResourceExhausted.
    static Result<std::unique_ptr<RowWriter>> make(std::shared_ptr<Descriptor> file,
                                                   std::string name,
                                                   std::unique_ptr<RecordEncoder> encoder,
                                                   RunBlocking blocking,
                                                   std::shared_ptr<DetachableWaker> waker,
                                                   const OperatorContext& context);
    RowWriter(const RowWriter&) = delete;
    RowWriter& operator=(const RowWriter&) = delete;
    ~RowWriter();

    // Encodes rows from `row` on, and moves `row` behind them. False: wait for the waker, and call
    // flush() at next_try(); then call again. Errors: kResourceExhausted for a row longer than a
    // buffer.
    Result<bool> append(const data::Batch& batch, std::size_t& row);
    // Begins to write what is there. True when everything is written.
    Result<bool> flush();
    // The same, and then has the file system keep it (fdatasync).
    Result<bool> sync();

    // When a call goes on with what found no room; max when nothing waits for that.
    [[nodiscard]] TimePoint next_try() const { return retry_at_; }
    // Bytes written and not yet written.
    [[nodiscard]] std::uint64_t bytes() const { return bytes_; }

  private:
    struct Shared;

    RowWriter(std::shared_ptr<Shared> shared, std::string name,
              std::unique_ptr<RecordEncoder> encoder, RunBlocking blocking,
              std::shared_ptr<DetachableWaker> waker, const Clock& clock, memory::Segment filling);

    // Encodes rows behind what is filled; 0 when not one fits.
    std::size_t encode_some(const data::Batch& batch, std::size_t row);
    Status begin_write(bool then_sync);
    Status submit();
    // False while something is being written, or waits to be.
    Result<bool> is_idle();

    const std::string name_;
    const std::unique_ptr<RecordEncoder> encoder_;
    const RunBlocking blocking_;
    const std::shared_ptr<DetachableWaker> waker_;
    const Clock& clock_;
    const std::shared_ptr<Shared> shared_;

    memory::Segment filling_;
    std::size_t filled_ = 0;
    std::array<std::uint32_t, kRowsMax> ends_{};
    std::uint64_t bytes_ = 0;
    std::uint64_t bytes_synced_ = 0;
    TimePoint retry_at_ = TimePoint::max();
};

}  // namespace millrace::operators
