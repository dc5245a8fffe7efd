#include "operators/file_sink.h"

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "operators/job_resources.h"
#include "operators/sink_encoder.h"
#include "proto/job.pb.h"

namespace millrace::operators {
namespace {

constexpr std::string_view kSection = "file";
constexpr std::uint8_t kVersion = 1;

std::unexpected<Error> fail_errno(std::string_view what, const std::string& path) {
    const int error = errno;
    const Code code = error == ENOENT                     ? Code::kNotFound
                      : error == EACCES || error == EPERM ? Code::kPermissionDenied
                                                          : Code::kUnavailable;
    return fail(code, "cannot {} file {}: {}", what, path, std::strerror(error));
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
    if (bytes.size() != 1 + sizeof bytes_restored_ ||
        std::to_integer<std::uint8_t>(bytes[0]) != kVersion)
        return fail(Code::kCorruption, "the snapshot of file sink {} cannot be read", path_);
    std::memcpy(&bytes_restored_, bytes.data() + 1, sizeof bytes_restored_);
    return {};
}

// Opened with the first row, when it is clear whether there was a restore.
Status FileSink::open_file() {
    if (writer_ != nullptr) return {};
    const std::string path = partial();
    constexpr mode_t kMode = 0644;
    const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, kMode);
    if (fd < 0) return fail_errno("write", path);
    auto file = std::make_shared<Descriptor>(fd, Descriptor::Ownership::kOwned);
    struct stat found{};
    if (::fstat(fd, &found) != 0) return fail_errno("write", path);
    if (static_cast<std::uint64_t>(found.st_size) < bytes_restored_)
        return fail(Code::kCorruption, "file {} has {} bytes, fewer than the snapshot's {}", path,
                    found.st_size, bytes_restored_);
    const auto length = static_cast<off_t>(bytes_restored_);
    if (found.st_size > length && ::ftruncate(fd, length) != 0) return fail_errno("write", path);
    if (::lseek(fd, length, SEEK_SET) < 0) return fail_errno("write", path);
    writer_ =
        std::make_unique<RowWriter>(std::move(file), path, std::move(encoder_), blocking_, waker_);
    return {};
}

Result<Progress> FileSink::process(const data::BatchPtr& batch, std::uint32_t, Output&) {
    MILLRACE_TRY(open_file());
    MILLRACE_TRY_ASSIGN(const bool done, writer_->append(*batch, row_));
    if (!done) return Progress::kBlocked;
    row_ = 0;
    if (flush_at_ == TimePoint::max()) flush_at_ = context_->clock.now() + kFlushAfter;
    return Progress::kDone;
}

Result<Progress> FileSink::on_end(Output&) {
    MILLRACE_TRY(open_file());
    MILLRACE_TRY_ASSIGN(const bool done, writer_->sync());
    if (!done) return Progress::kBlocked;
    if (std::rename(partial().c_str(), final_path_.c_str()) != 0)
        return fail_errno("rename to its final name the", partial());
    return Progress::kDone;
}

Result<Progress> FileSink::snapshot(std::uint64_t, state::SnapshotWriter& writer) {
    MILLRACE_TRY(open_file());
    MILLRACE_TRY_ASSIGN(const bool done, writer_->sync());
    if (!done) return Progress::kBlocked;
    const std::uint64_t length = bytes_restored_ + writer_->bytes();
    std::array<std::byte, 1 + sizeof length> bytes{std::byte{kVersion}};
    std::memcpy(bytes.data() + 1, &length, sizeof length);
    MILLRACE_TRY(writer.write(kSection, bytes));
    return Progress::kDone;
}

Status FileSink::on_tick(Output&) {
    if (writer_ == nullptr || context_->clock.now() < flush_at_) return {};
    MILLRACE_TRY_ASSIGN(const bool done, writer_->flush());
    flush_at_ = done ? TimePoint::max() : context_->clock.now() + kFlushAfter;
    return {};
}

void FileSink::close() noexcept {
    if (waker_ != nullptr) waker_->detach();
    writer_.reset();
}

}  // namespace millrace::operators
