#include "operators/print_sink.h"

#include <algorithm>
#include <utility>

#include "operators/job_resources.h"
#include "operators/sink_encoder.h"
#include "proto/job.pb.h"

namespace millrace::operators {

OperatorSpec PrintSink::spec() {
    return {
        .role = Role::kSink,
        .type = "print",
        .doc = "Writes records to standard output, one a line.",
        .schemas = [](const OperatorRequest&) -> Result<OutputSchemas> { return OutputSchemas{}; },
        .make = [](const OperatorRequest& request,
                   JobResources& resources) -> Result<std::unique_ptr<Operator>> {
            const auto format = request.job.sinks(request.declared).print().format();
            MILLRACE_TRY_ASSIGN(auto encoder, make_encoder(format, request.inputs[0]));
            return std::make_unique<PrintSink>(std::move(encoder),
                                               resources.environment().run_blocking);
        },
        .scratch = [](const OperatorRequest&) -> Result<std::vector<std::size_t>> {
            return RowWriter::scratch();
        }};
}

PrintSink::PrintSink(std::unique_ptr<RecordEncoder> encoder, RunBlocking blocking, int fd)
    : encoder_(std::move(encoder)), blocking_(std::move(blocking)), fd_(fd) {}

Status PrintSink::open(OperatorContext& context) {
    context_ = &context;
    waker_ = std::make_shared<DetachableWaker>(context.waker);
    auto output = std::make_shared<Descriptor>(fd_, Descriptor::Ownership::kLent);
    MILLRACE_TRY_ASSIGN(writer_, RowWriter::make(std::move(output), "standard output",
                                                 std::move(encoder_), blocking_, waker_, context));
    return {};
}

Result<Progress> PrintSink::process(const data::BatchPtr& batch, std::uint32_t, Output&) {
    MILLRACE_TRY_ASSIGN(const bool done, writer_->append(*batch, row_));
    if (!done) return Progress::kBlocked;
    row_ = 0;
    if (flush_at_ == TimePoint::max()) flush_at_ = context_->clock.now() + kFlushAfter;
    return Progress::kDone;
}

Result<Progress> PrintSink::flushed() {
    MILLRACE_TRY_ASSIGN(const bool done, writer_->flush());
    return done ? Progress::kDone : Progress::kBlocked;
}

Result<Progress> PrintSink::on_end(Output&) { return flushed(); }

Result<Progress> PrintSink::snapshot(std::uint64_t, state::SnapshotWriter&) { return flushed(); }

// A write under way rings when it ends, one without room is tried again by itself.
Status PrintSink::on_tick(Output&) {
    if (context_->clock.now() < next_tick()) return {};
    MILLRACE_TRY_ASSIGN(const bool done, writer_->flush());
    flush_at_ = done ? TimePoint::max() : context_->clock.now() + kFlushAfter;
    return {};
}

TimePoint PrintSink::next_tick() const {
    return writer_ == nullptr ? TimePoint::max() : std::min(flush_at_, writer_->next_try());
}

void PrintSink::close() noexcept {
    if (waker_ != nullptr) waker_->detach();
    writer_.reset();
}

}  // namespace millrace::operators
