#include "operators/print_sink.h"

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "operators/format/json_encoder.h"
#include "proto/job.pb.h"

namespace millrace::operators {
namespace {

Result<OutputSchemas> schemas(const OperatorRequest&) { return OutputSchemas{}; }

Result<std::unique_ptr<Operator>> make(const OperatorRequest& request, JobResources&) {
    MILLRACE_TRY_ASSIGN(auto encoder, JsonEncoder::make(request.inputs[0]));
    return std::make_unique<PrintSink>(std::move(encoder));
}

}  // namespace

OperatorSpec PrintSink::spec() {
    return {.role = Role::kSink,
            .type = "print",
            .doc = "Writes records to standard output, one a line.",
            .schemas = schemas,
            .make = make};
}

PrintSink::PrintSink(std::unique_ptr<RecordEncoder> encoder) : encoder_(std::move(encoder)) {}

Status PrintSink::open(OperatorContext& context) {
    MILLRACE_TRY_ASSIGN(room_, context.slot.allocate(context.owner, kBufferBytes));
    MILLRACE_TRY_ASSIGN(lines_,
                        context.slot.allocate(context.owner, kBufferBytes + data::kRowsMax));
    ends_.resize(data::kRowsMax);
    return {};
}

Result<Progress> PrintSink::process(const data::BatchPtr& batch, std::uint32_t, Output&) {
    const std::span<char> room(reinterpret_cast<char*>(room_.data()), room_.size());
    for (std::size_t row = 0; row < batch->rows();) {
        const std::size_t encoded = encoder_->encode(*batch, row, room, ends_);
        if (encoded == 0) {
            return fail(Code::kResourceExhausted,
                        "a record is longer than the {} bytes that can be printed", kBufferBytes);
        }
        MILLRACE_TRY(write_lines(encoded));
        row += encoded;
    }
    return Progress::kDone;
}

Status PrintSink::write_lines(std::size_t rows) {
    const char* from = reinterpret_cast<const char*>(room_.data());
    char* to = reinterpret_cast<char*>(lines_.data());
    std::size_t begin = 0;
    std::size_t size = 0;
    for (std::size_t row = 0; row < rows; ++row) {
        const std::size_t bytes = ends_[row] - begin;
        std::memcpy(to + size, from + begin, bytes);
        to[size + bytes] = '\n';
        size += bytes + 1;
        begin = ends_[row];
    }
    if (std::fwrite(to, 1, size, stdout) != size || std::fflush(stdout) != 0) {
        return fail(Code::kUnavailable, "standard output cannot be written: {}",
                    std::strerror(errno));
    }
    return {};
}

void PrintSink::close() noexcept {
    room_ = {};
    lines_ = {};
}

}  // namespace millrace::operators
