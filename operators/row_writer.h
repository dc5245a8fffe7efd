// Writes rows as lines to a file descriptor, on a thread that may block.
//
// There are two buffers: rows are encoded into one while the other is being written. When both are
// full the caller waits; so a slow terminal or disk holds its own job back and nothing else.
//
// Threads:    the task's; the writing happens on a thread that may block, one write at a time.
// Ownership:  shares descriptor and buffers with a write under way, which may outlive this object.
// Limits:     2 x kBufferBytes; a row that does not fit into one is an error.
// Failure:    kUnavailable with the system's words, once; nothing is written after it.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "operators/detachable_waker.h"
#include "operators/format/record_encoder.h"
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
    static constexpr std::size_t kRowsMax = 1000;  // Encoded in one go.

    // `name` of the file, for messages.
    RowWriter(std::shared_ptr<Descriptor> file, std::string name,
              std::unique_ptr<RecordEncoder> encoder, RunBlocking blocking,
              std::shared_ptr<DetachableWaker> waker);
    ~RowWriter();

    // Encodes rows from `row` on, and moves `row` behind them. False: wait for the waker, then call
    // again. Errors: kResourceExhausted for a row longer than a buffer.
    Result<bool> append(const data::Batch& batch, std::size_t& row);
    // Begins to write what is there. True when everything is written.
    Result<bool> flush();
    // The same, and then has the file system keep it (fdatasync).
    Result<bool> sync();

    // Bytes written and not yet written.
    [[nodiscard]] std::uint64_t bytes() const { return bytes_; }

  private:
    struct Shared;

    Result<bool> begin_write(bool then_sync);
    Result<bool> is_idle();

    const std::string name_;
    const std::unique_ptr<RecordEncoder> encoder_;
    const RunBlocking blocking_;
    const std::shared_ptr<DetachableWaker> waker_;
    const std::shared_ptr<Shared> shared_;

    std::vector<char> filling_;
    std::size_t filled_ = 0;
    std::vector<char> encoded_;  // Rows before their line ends are added.
    std::vector<std::uint32_t> ends_;
    std::uint64_t bytes_ = 0;
    std::uint64_t bytes_synced_ = 0;
};

}  // namespace millrace::operators
