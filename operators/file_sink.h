// Writes each row as a JSON line to a file, which appears under its name when the input has ended.
//
// While the job runs the lines go to PATH.partial; the end of input syncs and renames it, so that
// whoever sees PATH sees all of it. With several subtasks each has a file of its own, PATH.0,
// PATH.1 and so on. A job that is cancelled leaves PATH.partial behind.
//
// An attempt locks PATH.partial as long as it may still write to it. So a write of an attempt that
// has ended, or of another TaskManager that does not know yet, never lands in what the next one
// writes: that one waits.
//
// Exactly once as far as snapshots go: a snapshot syncs the file and holds its length, a restore
// cuts the file back to it; one behind the end leaves the file alone. Without a snapshot a restart
// begins the file anew.
//
// Threads:    the task's; the disk is touched on threads that may block, opening apart.
// Ownership:  owns the file.
// Limits:     RowWriter's buffers; kLockMax of waiting for the lock.
// Failure:    kPermissionDenied, kNotFound (no such folder), kInvalidArgument (PATH is a folder or
//             a device), kUnavailable (disk full, or locked by another job), kCorruption (a file
//             shorter than the snapshot says); with the path.

#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "operators/operator.h"
#include "operators/registry.h"
#include "operators/row_writer.h"
#include "runtime/base/run_blocking.h"

namespace millrace::operators {

class FileSink final : public Step {
  public:
    static constexpr Duration kFlushAfter = std::chrono::milliseconds(200);
    static constexpr Duration kLockEvery = std::chrono::milliseconds(50);
    static constexpr Duration kLockMax = std::chrono::seconds(30);

    static OperatorSpec spec();

    FileSink(std::string path, std::unique_ptr<RecordEncoder> encoder, RunBlocking blocking);

    Status open(OperatorContext& context) override;
    Status restore(state::SnapshotReader& reader) override;
    Result<Progress> process(const data::BatchPtr& batch, std::uint32_t input,
                             Output& output) override;
    Status on_watermark(data::Watermark, Output&) override { return {}; }
    Result<Progress> on_end(Output& output) override;
    Result<Progress> snapshot(std::uint64_t checkpoint_id, state::SnapshotWriter& writer) override;
    Status on_tick(Output& output) override;
    [[nodiscard]] TimePoint next_tick() const override;
    void close() noexcept override;

  private:
    // False while another writer has the lock.
    Result<bool> open_file();
    // Cuts the file to what the snapshot says, and begins to write behind it.
    Status begin_at_cut(std::shared_ptr<Descriptor> file);
    Status note_locked();
    // False: not yet.
    Result<bool> synced();
    [[nodiscard]] std::string partial() const { return final_path_ + ".partial"; }

    const std::string path_;
    std::string final_path_;                  // With the subtask's number, if there are several.
    std::unique_ptr<RecordEncoder> encoder_;  // Until the file is open.
    const RunBlocking blocking_;
    OperatorContext* context_ = nullptr;
    std::shared_ptr<DetachableWaker> waker_;
    std::unique_ptr<RowWriter> writer_;
    std::uint64_t bytes_restored_ = 0;
    bool is_shown_ = false;  // It has its name already; so it was, if a snapshot says so.
    std::size_t row_ = 0;    // Of the present batch.
    TimePoint flush_at_ = TimePoint::max();
    TimePoint lock_at_ = TimePoint::max();     // The next attempt to lock.
    TimePoint lock_until_ = TimePoint::max();  // Set by the first one.
};

}  // namespace millrace::operators
