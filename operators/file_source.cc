#include "operators/file_source.h"

#include <algorithm>
#include <utility>

#include "operators/source_format.h"
#include "operators/source_schema.h"
#include "proto/job.pb.h"
#include "runtime/base/check.h"

namespace millrace::operators {

OperatorSpec FileSource::spec() {
    return {.role = Role::kSource,
            .type = "file",
            .doc = "Reads the lines of a file once to the end.",
            .schemas = decoded_source_schemas,
            .make = [](const OperatorRequest& request,
                       JobResources&) -> Result<std::unique_ptr<Operator>> {
                const proto::Source& source = request.job.sources(request.declared);
                MILLRACE_TRY_ASSIGN(auto format, SourceFormat::of(request.job, source));
                Options options{.path = source.file().path(), .header = source.header()};
                options.batching.record_bytes_max =
                    static_cast<std::size_t>(source.max_record_bytes());
                return std::make_unique<FileSource>(
                    std::move(options),
                    [format = std::move(format)](std::optional<std::string_view> header) {
                        return format.make_decoder(header);
                    });
            },
            .scratch = line_scratch};
}

FileSource::FileSource(Options options, MakeDecoder make_decoder)
    : options_(std::move(options)), make_decoder_(std::move(make_decoder)) {}

Status FileSource::open(OperatorContext& context) {
    context_ = &context;
    return {};
}

Status FileSource::restore(state::SnapshotReader& reader) {
    MILLRACE_TRY_ASSIGN(const auto positions, read_positions(reader));
    if (!positions.empty()) restored_ = positions.front();
    return {};
}

Status FileSource::add_splits(std::span<const Split> splits) {
    if (splits.empty()) return {};
    MILLRACE_CHECK(!split_ && splits.size() == 1);
    split_ = splits.front();
    return {};
}

Status FileSource::read_header() {
    std::string_view header;
    LineBuffer::Found found = LineBuffer::Found::kNothing;
    while (found == LineBuffer::Found::kNothing && !file_ended_ && !lines_->skips_line()) {
        MILLRACE_TRY(read_more());
        found = file_ended_ ? lines_->last(header) : lines_->next(header);
    }
    if (found != LineBuffer::Found::kLine)
        return fail(Code::kCorruption,
                    "file {} has no header line of at most {} bytes. Hint: leave `header` out if "
                    "its first line is a record, or raise `max_record_bytes`",
                    options_.path, options_.batching.record_bytes_max);
    MILLRACE_TRY_ASSIGN(auto decoder, make_decoder_(header));
    batcher_ = std::make_unique<SourceBatcher>(std::move(decoder), options_.batching, *context_);
    next_line_ = 1;
    return {};
}

Result<bool> FileSource::start() {
    if (file_ == nullptr) {
        MILLRACE_TRY_ASSIGN(file_, FileReader::open(options_.path));
        lines_ = std::make_unique<LineBuffer>(context_->slot, context_->owner,
                                              options_.batching.record_bytes_max);
        if (options_.header) {
            MILLRACE_TRY(read_header());
        } else {
            MILLRACE_TRY_ASSIGN(auto decoder, make_decoder_(std::nullopt));
            batcher_ =
                std::make_unique<SourceBatcher>(std::move(decoder), options_.batching, *context_);
        }
        batcher_->name_split(split_->index, split_->name);
        taken_ = {.split = split_->index,
                  .next_ordinal = next_line_,
                  .next_byte = static_cast<std::int64_t>(lines_->next_byte())};
        if (!restored_ || restored_->next_byte == 0) {
            at_start_position_ = true;
        } else {
            // The header was read ahead; go back to the front to find the place.
            MILLRACE_TRY_ASSIGN(file_, FileReader::open(options_.path));
            file_ended_ = false;
        }
    }
    if (!at_start_position_) {
        const auto target = static_cast<std::uint64_t>(restored_->next_byte);
        MILLRACE_TRY_ASSIGN(at_start_position_, file_->skip_to(target, kSkipBytes));
        if (!at_start_position_) return false;
        lines_->reset(target);
        next_line_ = restored_->next_ordinal;
        taken_ = *restored_;
        taken_.split = split_->index;
    }
    settled_ = taken_;
    return true;
}

Status FileSource::read_more() {
    MILLRACE_TRY_ASSIGN(const std::span<char> room, lines_->room());
    MILLRACE_TRY_ASSIGN(const std::size_t got, file_->read(room));
    lines_->filled(got);
    file_ended_ = got == 0;
    return {};
}

void FileSource::collect() {
    std::size_t count = 0;
    std::string_view line;
    while (count < kLinesMax && !long_line_) {
        auto found = lines_->next(line);
        if (found == LineBuffer::Found::kNothing && file_ended_) found = lines_->last(line);
        if (found == LineBuffer::Found::kNothing) break;
        if (found == LineBuffer::Found::kTooLong) {
            long_line_ = true;
            break;
        }
        records_[count] = {.payload = line,
                           .key = {},
                           .position = {.split = split_->index, .ordinal = next_line_++}};
        line_ends_[count++] = lines_->next_byte();
    }
    pending_ = std::span(records_).first(count);
}

Result<Progress> FileSource::poll(Output& output) {
    if (!split_) return Progress::kEnd;
    if (!at_start_position_) {
        MILLRACE_TRY_ASSIGN(const bool ready, start());
        if (!ready) return Progress::kYield;
    }
    if (!pending_.empty()) {
        MILLRACE_TRY(take_pending(output));
        return Progress::kYield;
    }
    if (long_line_) {
        MILLRACE_TRY(reject_long_line(output));
        return Progress::kYield;
    }
    collect();
    if (!pending_.empty() || long_line_) return Progress::kYield;
    if (!file_ended_) {
        MILLRACE_TRY(read_more());
        return Progress::kYield;
    }
    batcher_->flush(output);
    settle();
    return Progress::kEnd;
}

Status FileSource::take_pending(Output& output) {
    MILLRACE_TRY_ASSIGN(const std::size_t taken, batcher_->add(pending_, output));
    const auto last = static_cast<std::size_t>(pending_.data() - records_.data()) + taken - 1;
    taken_.next_ordinal = records_[last].position.ordinal + 1;
    taken_.next_byte = static_cast<std::int64_t>(line_ends_[last]);
    pending_ = pending_.subspan(taken);
    settle();
    return {};
}

Status FileSource::reject_long_line(Output& output) {
    long_line_ = false;
    const data::Position position{.split = split_->index, .ordinal = next_line_++};
    MILLRACE_TRY(batcher_->reject_unread(
        position, "too_long",
        fmt::format("the line is longer than {} bytes", options_.batching.record_bytes_max),
        output));
    taken_.next_ordinal = next_line_;
    taken_.next_byte = static_cast<std::int64_t>(lines_->next_byte());
    settle();
    return {};
}

void FileSource::settle() {
    if (batcher_->is_empty()) settled_ = taken_;
}

Result<Progress> FileSource::snapshot(std::uint64_t, state::SnapshotWriter& writer) {
    if (!split_) {
        MILLRACE_TRY(write_positions(writer, {}));
        return Progress::kDone;
    }
    const SplitPosition position = at_start_position_ ? settled_
                                   : restored_        ? *restored_
                                                      : SplitPosition{.split = split_->index};
    MILLRACE_TRY(write_positions(writer, std::span(&position, 1)));
    return Progress::kDone;
}

Status FileSource::on_tick(Output& output) {
    if (batcher_ == nullptr) return {};
    MILLRACE_TRY(batcher_->on_tick(output));
    if (at_start_position_) settle();
    return {};
}

TimePoint FileSource::next_tick() const {
    return batcher_ == nullptr ? TimePoint::max() : batcher_->due();
}

void FileSource::close() noexcept {
    pending_ = {};
    batcher_.reset();
    lines_.reset();
    file_.reset();
}

}  // namespace millrace::operators
