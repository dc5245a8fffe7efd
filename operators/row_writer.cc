#include "operators/row_writer.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <utility>

#include <poll.h>
#include <unistd.h>

#include "runtime/base/thread_annotations.h"

namespace millrace::operators {
namespace {

// As much as a pipe takes in one piece, so that lines of several writers do not mix.
constexpr std::size_t kPieceBytes = 4096;

std::size_t piece_of(std::string_view bytes) {
    if (bytes.size() <= kPieceBytes) return bytes.size();
    const std::size_t line_end = bytes.substr(0, kPieceBytes).rfind('\n');
    return line_end == std::string_view::npos ? kPieceBytes : line_end + 1;
}

// How often a write that nobody takes looks whether anybody still wants it.
constexpr int kLookMs = 50;

// Returns errno, or 0. Pieces go out only where there is room for one, so that a pipe that nobody
// reads holds the thread no longer than the sink lives.
int write_all(int fd, std::string_view bytes, const std::atomic<bool>& is_abandoned) {
    while (!bytes.empty()) {
        pollfd room{.fd = fd, .events = POLLOUT, .revents = 0};
        if (::poll(&room, 1, kLookMs) == 0) {
            if (is_abandoned.load(std::memory_order_relaxed)) return ECANCELED;
            continue;
        }
        const ssize_t done = ::write(fd, bytes.data(), piece_of(bytes));
        if (done >= 0) {
            bytes.remove_prefix(static_cast<std::size_t>(done));
        } else if (errno != EAGAIN && errno != EINTR) {
            return errno;
        }
    }
    return 0;
}

}  // namespace

Descriptor::~Descriptor() {
    if (ownership_ == Ownership::kOwned) ::close(fd_);
}

// What a write under way works on.
struct RowWriter::Shared {
    explicit Shared(std::shared_ptr<Descriptor> file_in) : file(std::move(file_in)) {}

    const std::shared_ptr<Descriptor> file;
    std::vector<char> bytes = std::vector<char>(kBufferBytes);  // The writing thread's while busy.
    std::size_t size = 0;
    std::atomic<bool> busy{false};
    std::atomic<int> error{0};
    std::atomic<bool> is_abandoned{false};
};

RowWriter::RowWriter(std::shared_ptr<Descriptor> file, std::string name,
                     std::unique_ptr<RecordEncoder> encoder, RunBlocking blocking,
                     std::shared_ptr<DetachableWaker> waker)
    : name_(std::move(name)),
      encoder_(std::move(encoder)),
      blocking_(std::move(blocking)),
      waker_(std::move(waker)),
      shared_(std::make_shared<Shared>(std::move(file))),
      filling_(kBufferBytes),
      encoded_(kBufferBytes),
      ends_(kRowsMax) {}

RowWriter::~RowWriter() { shared_->is_abandoned.store(true, std::memory_order_relaxed); }

Result<bool> RowWriter::is_idle() {
    if (shared_->busy.load(std::memory_order_acquire)) return false;
    if (const int error = shared_->error.load(std::memory_order_relaxed); error != 0)
        return fail(Code::kUnavailable, "cannot write to {}: {}", name_, std::strerror(error));
    return true;
}

Result<bool> RowWriter::append(const data::Batch& batch, std::size_t& row) {
    while (row < batch.rows()) {
        MILLRACE_TRY_ASSIGN(const bool idle, is_idle());
        const std::size_t room = filling_.size() - filled_;
        const std::size_t wanted = std::min({batch.rows() - row, kRowsMax, room});
        // Each row needs one byte more than the encoder writes, for its line end.
        const std::size_t rows =
            wanted == 0 ? 0
                        : encoder_->encode(batch, row, std::span(encoded_).first(room - wanted),
                                           std::span(ends_).first(wanted));
        if (rows == 0) {
            if (filled_ == 0)
                return fail(Code::kResourceExhausted,
                            "a row for {} is longer than {} bytes; its number in its split: {}",
                            name_, kBufferBytes, batch.positions().ordinal[row]);
            if (!idle) return false;
            MILLRACE_TRY(begin_write(false));
            continue;
        }
        std::size_t begin = 0;
        for (std::size_t i = 0; i < rows; ++i) {
            const std::size_t size = ends_[i] - begin;
            std::memcpy(filling_.data() + filled_, encoded_.data() + begin, size);
            filled_ += size;
            filling_[filled_++] = '\n';
            begin = ends_[i];
        }
        bytes_ += begin + rows;
        row += rows;
    }
    return true;
}

// Hands the filled buffer to a thread that may block. False when there is nothing to do.
Result<bool> RowWriter::begin_write(bool then_sync) {
    if (filled_ == 0 && !then_sync) return false;
    shared_->bytes.swap(filling_);
    shared_->size = std::exchange(filled_, 0);
    shared_->busy.store(true, std::memory_order_relaxed);
    Status queued = blocking_([shared = shared_, waker = waker_, then_sync] {
        int error = write_all(shared->file->get(), {shared->bytes.data(), shared->size},
                              shared->is_abandoned);
        if (error == 0 && then_sync && ::fdatasync(shared->file->get()) != 0) error = errno;
        if (error != 0) shared->error.store(error, std::memory_order_relaxed);
        shared->busy.store(false, std::memory_order_release);
        waker->wake();
    });
    if (queued) return true;
    shared_->busy.store(false, std::memory_order_relaxed);
    return std::unexpected(std::move(queued).error().with_context("cannot write to " + name_));
}

Result<bool> RowWriter::flush() {
    MILLRACE_TRY_ASSIGN(const bool idle, is_idle());
    if (!idle) return false;
    MILLRACE_TRY_ASSIGN(const bool begun, begin_write(false));
    return !begun;
}

Result<bool> RowWriter::sync() {
    MILLRACE_TRY_ASSIGN(const bool idle, is_idle());
    if (!idle) return false;
    if (bytes_synced_ == bytes_ && filled_ == 0) return true;
    bytes_synced_ = bytes_;
    MILLRACE_TRY(begin_write(true));
    return false;
}

}  // namespace millrace::operators
