#include "operators/print_sink.h"

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
        }};
}

PrintSink::PrintSink(std::unique_ptr<RecordEncoder> encoder, RunBlocking blocking, int fd)
    : encoder_(std::move(encoder)), blocking_(std::move(blocking)), fd_(fd) {}

Status PrintSink::open(OperatorContext& context) {
    context_ = &context;
    waker_ = std::make_shared<DetachableWaker>(context.waker);
    writer_ =
        std::make_unique<RowWriter>(std::make_shared<Descriptor>(fd_, Descriptor::Ownership::kLent),
                                    "standard output", std::move(encoder_), blocking_, waker_);
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

Status PrintSink::on_tick(Output&) {
    if (context_->clock.now() < flush_at_) return {};
    MILLRACE_TRY_ASSIGN(const bool done, writer_->flush());
    flush_at_ = done ? TimePoint::max() : context_->clock.now() + kFlushAfter;
    return {};
}

void PrintSink::close() noexcept {
    if (waker_ != nullptr) waker_->detach();
    writer_.reset();
}

}  // namespace millrace::operators
