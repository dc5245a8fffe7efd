#include "operators/socket_source.h"

#include <algorithm>
#include <utility>

#include "operators/job_resources.h"
#include "operators/source_format.h"
#include "operators/source_schema.h"
#include "proto/job.pb.h"

namespace millrace::operators {

OperatorSpec SocketSource::spec() {
    return {.role = Role::kSource,
            .type = "socket",
            .doc = "Reads lines from a TCP server.",
            .schemas = decoded_source_schemas,
            .make = [](const OperatorRequest& request,
                       JobResources& resources) -> Result<std::unique_ptr<Operator>> {
                const proto::Source& source = request.job.sources(request.declared);
                const LineConnector& connector = resources.environment().connect_lines;
                if (!connector)
                    return fail(Code::kPermissionDenied,
                                "source {}: this process opens no sockets for jobs", source.name());
                MILLRACE_TRY_ASSIGN(const auto format, SourceFormat::of(request.job, source));
                MILLRACE_TRY_ASSIGN(auto decoder, format.make_decoder(std::nullopt));
                Options options{.address = source.socket().address()};
                options.batching.record_bytes_max =
                    static_cast<std::size_t>(source.max_record_bytes());
                return std::make_unique<SocketSource>(std::move(options), std::move(decoder),
                                                      connector);
            },
            .scratch = line_scratch};
}

SocketSource::SocketSource(Options options, std::unique_ptr<RecordDecoder> decoder,
                           LineConnector connector)
    : options_(std::move(options)),
      connector_(std::move(connector)),
      decoder_(std::move(decoder)) {}

Status SocketSource::open(OperatorContext& context) {
    context_ = &context;
    waker_ = std::make_shared<DetachableWaker>(context.waker);
    batcher_ = std::make_unique<SourceBatcher>(std::move(decoder_), options_.batching, context);
    lines_ = std::make_unique<LineBuffer>(context.slot, context.owner,
                                          options_.batching.record_bytes_max);
    return {};
}

Status SocketSource::restore(state::SnapshotReader& reader) {
    MILLRACE_TRY_ASSIGN(const auto positions, read_positions(reader));
    if (!positions.empty()) next_line_ = taken_ = settled_ = positions.front().next_ordinal;
    return {};
}

Status SocketSource::add_splits(std::span<const Split> splits) {
    if (splits.empty()) return {};
    split_ = splits.front();
    batcher_->name_split(split_->index, options_.address);
    connect();
    return {};
}

void SocketSource::connect() {
    connect_at_ = TimePoint::max();
    auto made = connector_(options_.address, [waker = waker_] { waker->wake(); });
    if (made) {
        connection_ = *std::move(made);
        return;
    }
    trouble_ = std::move(made.error().message);
    connect_at_ = context_->clock.now() + pause_;
    pause_ = std::min(pause_ * 2, kPauseMax);
}

Status SocketSource::on_broken(const Error& cause, Output& output) {
    connection_.reset();
    trouble_ =
        fmt::format("no lines from {}, connecting again: {}", options_.address, cause.message);
    connect_at_ = context_->clock.now() + pause_;
    pause_ = std::min(pause_ * 2, kPauseMax);
    const bool half = lines_->holds_bytes();
    lines_->reset(0);
    if (!half) return {};
    return reject_line("cut_off", "the connection ended inside the line", output);
}

Result<Progress> SocketSource::poll(Output& output) {
    if (!split_) return Progress::kEnd;
    if (!pending_.empty()) {
        MILLRACE_TRY(take_pending(output));
        return Progress::kYield;
    }
    if (std::exchange(long_line_, false)) {
        MILLRACE_TRY(reject_line(
            "too_long",
            fmt::format("the line is longer than {} bytes", options_.batching.record_bytes_max),
            output));
        return Progress::kYield;
    }
    collect();
    if (!pending_.empty() || long_line_) return Progress::kYield;
    if (connection_ == nullptr) return Progress::kDone;
    MILLRACE_TRY_ASSIGN(const bool more, read_more(output));
    return more ? Progress::kYield : Progress::kDone;
}

Result<bool> SocketSource::read_more(Output& output) {
    MILLRACE_TRY_ASSIGN(const std::span<char> room, lines_->room());
    const auto got = connection_->read(room);
    if (!got) {
        MILLRACE_TRY(on_broken(got.error(), output));
        return false;
    }
    if (connection_->is_connected()) trouble_.clear();
    if (*got == 0) return false;
    pause_ = kPauseMin;
    lines_->filled(*got);
    return true;
}

void SocketSource::collect() {
    std::size_t count = 0;
    std::string_view line;
    while (count < kLinesMax) {
        const auto found = lines_->next(line);
        long_line_ = found == LineBuffer::Found::kTooLong;
        if (found != LineBuffer::Found::kLine) break;
        records_[count++] = {.payload = line,
                             .key = {},
                             .position = {.split = split_->index, .ordinal = next_line_++}};
    }
    pending_ = std::span(records_).first(count);
}

Status SocketSource::take_pending(Output& output) {
    MILLRACE_TRY_ASSIGN(const std::size_t taken, batcher_->add(pending_, output));
    taken_ = pending_[taken - 1].position.ordinal + 1;
    pending_ = pending_.subspan(taken);
    settle();
    return {};
}

Status SocketSource::reject_line(std::string_view code, std::string_view message, Output& output) {
    const data::Position position{.split = split_->index, .ordinal = next_line_++};
    MILLRACE_TRY(batcher_->reject_unread(position, code, message, output));
    taken_ = next_line_;
    settle();
    return {};
}

void SocketSource::settle() {
    if (batcher_->is_empty()) settled_ = taken_;
}

Result<Progress> SocketSource::snapshot(std::uint64_t, state::SnapshotWriter& writer) {
    std::optional<SplitPosition> position;
    if (split_) position = SplitPosition{.split = split_->index, .next_ordinal = settled_};
    MILLRACE_TRY(write_positions(
        writer, position ? std::span(&*position, 1) : std::span<const SplitPosition>()));
    return Progress::kDone;
}

Status SocketSource::on_tick(Output& output) {
    MILLRACE_TRY(batcher_->on_tick(output));
    settle();
    if (context_->clock.now() >= connect_at_) {
        connect();
        waker_->wake();
    }
    return {};
}

TimePoint SocketSource::next_tick() const { return std::min(batcher_->due(), connect_at_); }

void SocketSource::close() noexcept {
    if (waker_ != nullptr) waker_->detach();
    pending_ = {};
    connection_.reset();
    batcher_.reset();
    lines_.reset();
}

}  // namespace millrace::operators
