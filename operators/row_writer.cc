#include "operators/row_writer.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <span>
#include <string_view>
#include <utility>

#include <poll.h>
#include <unistd.h>

namespace millrace::operators {
namespace {

// As much as a pipe takes in one piece, so that lines of several writers do not mix.
constexpr std::size_t kPieceBytes = 4096;

std::size_t piece_of(std::string_view bytes) {
    if (bytes.size() <= kPieceBytes) return bytes.size();
    const std::size_t line_end = bytes.substr(0, kPieceBytes).rfind('\n');
    return line_end == std::string_view::npos ? kPieceBytes : line_end + 1;
}

bool has_room(int fd) {
    constexpr auto kPatienceMs = static_cast<int>(
        std::chrono::duration_cast<std::chrono::milliseconds>(RowWriter::kPatience).count());
    pollfd room{.fd = fd, .events = POLLOUT, .revents = 0};
    return ::poll(&room, 1, kPatienceMs) != 0;
}

}  // namespace

Descriptor::~Descriptor() {
    if (ownership_ == Ownership::kOwned) ::close(fd_);
}

// What a write under way works on; all but the atomics are the writing thread's while it is busy.
struct RowWriter::Shared {
    // Writes until all is out, or there is no room. Pieces go out only where there is room for one.
    void write_some();
    [[nodiscard]] bool is_done() const { return begin == size && !then_sync; }

    std::shared_ptr<Descriptor> file;
    memory::Segment bytes;
    std::size_t begin = 0;
    std::size_t size = 0;
    bool then_sync = false;
    std::atomic<bool> busy{false};
    std::atomic<int> error{0};
};

void RowWriter::Shared::write_some() {
    const char* const data = reinterpret_cast<const char*>(bytes.data());
    while (begin < size) {
        if (!has_room(file->get())) return;
        const ssize_t done =
            ::write(file->get(), data + begin, piece_of({data + begin, size - begin}));
        if (done >= 0) {
            begin += static_cast<std::size_t>(done);
        } else if (errno != EAGAIN && errno != EINTR) {
            return error.store(errno);
        }
    }
    if (std::exchange(then_sync, false) && ::fdatasync(file->get()) != 0) error.store(errno);
}

Result<std::unique_ptr<RowWriter>> RowWriter::make(
    std::shared_ptr<Descriptor> file, std::string name, std::unique_ptr<RecordEncoder> encoder,
    RunBlocking blocking, std::shared_ptr<DetachableWaker> waker, const OperatorContext& context) {
    auto shared = std::make_shared<Shared>();
    shared->file = std::move(file);
    MILLRACE_TRY_ASSIGN(shared->bytes, context.slot.allocate(context.owner, kBufferBytes));
    MILLRACE_TRY_ASSIGN(auto filling, context.slot.allocate(context.owner, kBufferBytes));
    return std::unique_ptr<RowWriter>(
        new RowWriter(std::move(shared), std::move(name), std::move(encoder), std::move(blocking),
                      std::move(waker), context.clock, std::move(filling)));
}

RowWriter::RowWriter(std::shared_ptr<Shared> shared, std::string name,
                     std::unique_ptr<RecordEncoder> encoder, RunBlocking blocking,
                     std::shared_ptr<DetachableWaker> waker, const Clock& clock,
                     memory::Segment filling)
    : name_(std::move(name)),
      encoder_(std::move(encoder)),
      blocking_(std::move(blocking)),
      waker_(std::move(waker)),
      clock_(clock),
      shared_(std::move(shared)),
      filling_(std::move(filling)) {}

RowWriter::~RowWriter() = default;

Result<bool> RowWriter::is_idle() {
    if (shared_->busy.load(std::memory_order_acquire)) return false;
    if (const int error = shared_->error.load(std::memory_order_relaxed); error != 0)
        return fail(Code::kUnavailable, "cannot write to {}: {}", name_, std::strerror(error));
    if (shared_->is_done()) return true;
    const TimePoint now = clock_.now();
    if (retry_at_ == TimePoint::max()) {
        retry_at_ = now + kRetryAfter;
    } else if (now >= retry_at_) {
        MILLRACE_TRY(submit());
    }
    return false;
}

// Each row needs one byte more than the encoder writes, for its line end; they are moved apart from
// the last one on.
std::size_t RowWriter::encode_some(const data::Batch& batch, std::size_t row) {
    const std::size_t room = kBufferBytes - filled_;
    const std::size_t wanted = std::min({batch.rows() - row, kRowsMax, room});
    if (wanted == 0) return 0;
    char* const begin = reinterpret_cast<char*>(filling_.data()) + filled_;
    const std::size_t rows = encoder_->encode(batch, row, std::span(begin, room - wanted),
                                              std::span(ends_).first(wanted));
    if (rows == 0) return 0;
    for (std::size_t i = rows; i-- > 0;) {
        const std::size_t row_begin = i == 0 ? 0 : ends_[i - 1];
        std::memmove(begin + row_begin + i, begin + row_begin, ends_[i] - row_begin);
        begin[ends_[i] + i] = '\n';
    }
    filled_ += ends_[rows - 1] + rows;
    bytes_ += ends_[rows - 1] + rows;
    return rows;
}

Result<bool> RowWriter::append(const data::Batch& batch, std::size_t& row) {
    while (row < batch.rows()) {
        MILLRACE_TRY_ASSIGN(const bool idle, is_idle());
        const std::size_t rows = encode_some(batch, row);
        row += rows;
        if (rows > 0) continue;
        if (filled_ == 0)
            return fail(Code::kResourceExhausted,
                        "a row for {} is longer than {} bytes; its number in its split: {}", name_,
                        kBufferBytes, batch.positions().ordinal[row]);
        if (!idle) return false;
        MILLRACE_TRY(begin_write(false));
    }
    return true;
}

// Hands the filled buffer over. REQUIRES: is_idle().
Status RowWriter::begin_write(bool then_sync) {
    std::swap(shared_->bytes, filling_);
    shared_->begin = 0;
    shared_->size = std::exchange(filled_, 0);
    shared_->then_sync = then_sync;
    return submit();
}

Status RowWriter::submit() {
    retry_at_ = TimePoint::max();
    shared_->busy.store(true, std::memory_order_relaxed);
    Status queued = blocking_([shared = shared_, waker = waker_] {
        shared->write_some();
        shared->busy.store(false, std::memory_order_release);
        waker->wake();
    });
    if (queued) return {};
    shared_->busy.store(false, std::memory_order_relaxed);
    return std::unexpected(std::move(queued).error().with_context("cannot write to " + name_));
}

Result<bool> RowWriter::flush() {
    MILLRACE_TRY_ASSIGN(const bool idle, is_idle());
    if (!idle) return false;
    if (filled_ == 0) return true;
    MILLRACE_TRY(begin_write(false));
    return false;
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
