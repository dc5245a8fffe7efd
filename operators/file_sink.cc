#include "operators/file_sink.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "operators/file_error.h"
#include "operators/job_resources.h"
#include "operators/sink_encoder.h"
#include "proto/job.pb.h"

namespace millrace::operators {
namespace {

constexpr std::string_view kSection = "file";
constexpr std::uint8_t kVersion = 2;
// A version, the length, and whether the file has its name.
constexpr std::size_t kSnapshotBytes = 1 + sizeof(std::uint64_t) + 1;

// Whether `path` still names the file behind `fd`: it may have been renamed while it was locked.
bool is_named(int fd, const std::string& path) {
    struct stat held{};
    struct stat named{};
    return ::fstat(fd, &held) == 0 && ::stat(path.c_str(), &named) == 0 &&
           held.st_dev == named.st_dev && held.st_ino == named.st_ino;
}

// The file, which is this descriptor's alone until its last user closes it; null when it is another
// one's. Errors: with the path.
Result<std::shared_ptr<Descriptor>> lock_file(const std::string& path) {
    constexpr mode_t kMode = 0644;
    const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, kMode);
    if (fd < 0) return file_error("write", path);
    auto file = std::make_shared<Descriptor>(fd, Descriptor::Ownership::kOwned);
    if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK) return file_error("lock", path);
        file.reset();
    } else if (!is_named(fd, path)) {
        file.reset();
    }
    return file;
}

// The file takes this name at the end, whatever has it then: a device would be gone.
Status check_target(const std::string& path) {
    struct stat found{};
    if (::stat(path.c_str(), &found) != 0) return {};
    return check_regular(found, "write", path,
                         "a `file` sink replaces a regular file; `discard` throws records away, "
                         "`print` shows them");
}

}  // namespace

OperatorSpec FileSink::spec() {
    return {
        .role = Role::kSink,
        .type = "file",
        .doc = "Writes records to a file, one a line.",
        .schemas = [](const OperatorRequest&) -> Result<OutputSchemas> { return OutputSchemas{}; },
        .make = [](const OperatorRequest& request,
                   JobResources& resources) -> Result<std::unique_ptr<Operator>> {
            const proto::FileSink& sink = request.job.sinks(request.declared).file();
            MILLRACE_TRY_ASSIGN(auto encoder, make_encoder(sink.format(), request.inputs[0]));
            return std::make_unique<FileSink>(sink.path(), std::move(encoder),
                                              resources.environment().run_blocking);
        },
        .scratch = [](const OperatorRequest&) -> Result<std::vector<std::size_t>> {
            return RowWriter::scratch();
        }};
}

FileSink::FileSink(std::string path, std::unique_ptr<RecordEncoder> encoder, RunBlocking blocking)
    : path_(std::move(path)), encoder_(std::move(encoder)), blocking_(std::move(blocking)) {}

Status FileSink::open(OperatorContext& context) {
    context_ = &context;
    waker_ = std::make_shared<DetachableWaker>(context.waker);
    final_path_ = context.parallelism == 1 ? path_ : path_ + "." + std::to_string(context.subtask);
    return {};
}

Status FileSink::restore(state::SnapshotReader& reader) {
    MILLRACE_TRY_ASSIGN(const auto bytes, reader.read(kSection));
    if (bytes.size() != kSnapshotBytes || std::to_integer<std::uint8_t>(bytes[0]) != kVersion)
        return fail(Code::kCorruption, "the snapshot of file sink {} cannot be read", path_);
    std::memcpy(&bytes_restored_, bytes.data() + 1, sizeof bytes_restored_);
    is_shown_ = bytes.back() != std::byte{0};
    return {};
}

// Opened with the first row, when it is clear whether there was a restore.
Result<bool> FileSink::open_file() {
    if (writer_ != nullptr) return true;
    MILLRACE_TRY(check_target(final_path_));
    MILLRACE_TRY_ASSIGN(auto file, lock_file(partial()));
    if (file == nullptr) {
        MILLRACE_TRY(note_locked());
        return false;
    }
    lock_at_ = lock_until_ = TimePoint::max();
    MILLRACE_TRY(begin_at_cut(std::move(file)));
    return true;
}

Status FileSink::begin_at_cut(std::shared_ptr<Descriptor> file) {
    const std::string path = partial();
    struct stat found{};
    if (::fstat(file->get(), &found) != 0) return file_error("write", path);
    if (static_cast<std::uint64_t>(found.st_size) < bytes_restored_)
        return fail(Code::kCorruption, "file {} has {} bytes, fewer than the snapshot's {}", path,
                    found.st_size, bytes_restored_);
    const auto length = static_cast<off_t>(bytes_restored_);
    if (found.st_size > length && ::ftruncate(file->get(), length) != 0)
        return file_error("write", path);
    if (::lseek(file->get(), length, SEEK_SET) < 0) return file_error("write", path);
    MILLRACE_TRY_ASSIGN(writer_, RowWriter::make(std::move(file), path, std::move(encoder_),
                                                 blocking_, waker_, *context_));
    return {};
}

Status FileSink::note_locked() {
    const TimePoint now = context_->clock.now();
    if (lock_until_ == TimePoint::max()) lock_until_ = now + kLockMax;
    if (now >= lock_until_) {
        return fail(Code::kUnavailable,
                    "file {} is still being written by another job, or by an attempt that has not "
                    "ended. Hint: give each job a path of its own",
                    partial());
    }
    lock_at_ = now + kLockEvery;
    return {};
}

Result<Progress> FileSink::process(const data::BatchPtr& batch, std::uint32_t, Output&) {
    MILLRACE_TRY_ASSIGN(const bool open, open_file());
    if (!open) return Progress::kBlocked;
    MILLRACE_TRY_ASSIGN(const bool done, writer_->append(*batch, row_));
    if (!done) return Progress::kBlocked;
    row_ = 0;
    if (flush_at_ == TimePoint::max()) flush_at_ = context_->clock.now() + kFlushAfter;
    return Progress::kDone;
}

Result<Progress> FileSink::on_end(Output&) {
    if (is_shown_) return Progress::kDone;
    MILLRACE_TRY_ASSIGN(const bool done, synced());
    if (!done) return Progress::kBlocked;
    if (std::rename(partial().c_str(), final_path_.c_str()) != 0)
        return file_error("rename to its final name the", partial());
    is_shown_ = true;
    return Progress::kDone;
}

Result<bool> FileSink::synced() {
    MILLRACE_TRY_ASSIGN(const bool open, open_file());
    if (!open) return false;
    return writer_->sync();
}

Result<Progress> FileSink::snapshot(std::uint64_t, state::SnapshotWriter& writer) {
    if (!is_shown_) {
        MILLRACE_TRY_ASSIGN(const bool done, synced());
        if (!done) return Progress::kBlocked;
    }
    const std::uint64_t length = bytes_restored_ + (writer_ == nullptr ? 0 : writer_->bytes());
    std::array<std::byte, kSnapshotBytes> bytes{std::byte{kVersion}};
    std::memcpy(bytes.data() + 1, &length, sizeof length);
    bytes.back() = is_shown_ ? std::byte{1} : std::byte{0};
    MILLRACE_TRY(writer.write(kSection, bytes));
    return Progress::kDone;
}

Status FileSink::on_tick(Output&) {
    if (context_->clock.now() < next_tick()) return {};
    if (writer_ == nullptr) {
        MILLRACE_TRY_ASSIGN(const bool open, open_file());
        if (open) waker_->wake();
        return {};
    }
    MILLRACE_TRY_ASSIGN(const bool done, writer_->flush());
    flush_at_ = done ? TimePoint::max() : context_->clock.now() + kFlushAfter;
    return {};
}

TimePoint FileSink::next_tick() const {
    return writer_ == nullptr ? lock_at_ : std::min(flush_at_, writer_->next_try());
}

void FileSink::close() noexcept {
    if (waker_ != nullptr) waker_->detach();
    writer_.reset();
}

}  // namespace millrace::operators
