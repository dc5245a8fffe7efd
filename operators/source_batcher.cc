#include "operators/source_batcher.h"

#include <algorithm>
#include <utility>

namespace millrace::operators {

SourceBatcher::SourceBatcher(std::unique_ptr<RecordDecoder> decoder, BatchingOptions options,
                             OperatorContext& context, RecordHeaders* headers)
    : decoder_(std::move(decoder)),
      options_(options),
      clock_(context.clock),
      headers_(headers),
      builder_(decoder_->schema(), context.batches) {}

void SourceBatcher::name_split(std::int32_t split, std::string name) {
    split_names_.emplace_back(split, std::move(name));
}

Result<std::size_t> SourceBatcher::add(std::span<const RawRecord> records, Output& output) {
    output_ = &output;
    rejected_bytes_ = 0;
    const bool was_empty = is_empty();
    MILLRACE_TRY_ASSIGN(const std::size_t taken, decode(records));
    if (builder_.is_full() || rejected_bytes_ > 0 || taken < records.size())
        flush(output);
    else if (was_empty && !is_empty())
        due_ = clock_.now() + options_.linger;
    return taken;
}

// The records from the first on that may be decoded in one go: of acceptable length, and together
// no more than a batch, unless the first alone is.
std::span<const RawRecord> SourceBatcher::piece_of(std::span<const RawRecord> records) const {
    std::size_t count = 0;
    std::size_t bytes = 0;
    for (; count < records.size(); ++count) {
        const std::size_t size = records[count].payload.size();
        if (size > options_.record_bytes_max) break;
        bytes += size;
        if (count > 0 && bytes > kPieceBytes) break;
    }
    return records.first(count);
}

// Hands pieces of the records to the decoder, until the batch is full, enough was rejected, or the
// decoder has no memory for more.
Result<std::size_t> SourceBatcher::decode(std::span<const RawRecord> records) {
    std::size_t taken = 0;
    while (taken < records.size() && rejected_bytes_ < kRejectedBytesMax) {
        const auto piece = piece_of(records.subspan(taken));
        if (piece.empty()) {
            MILLRACE_TRY(reject_too_long(records[taken++]));
            continue;
        }
        MILLRACE_TRY(builder_.begin());
        MILLRACE_TRY_ASSIGN(const std::size_t decoded, decoder_->decode(piece, builder_, *this));
        taken += decoded;
        if (builder_.is_full() || decoded < piece.size()) break;
    }
    return taken;
}

Status SourceBatcher::reject_too_long(const RawRecord& record) {
    const std::string message = fmt::format("the record has {} bytes; at most {} are allowed",
                                            record.payload.size(), options_.record_bytes_max);
    return reject_position(record.position, "too_long", message);
}

Status SourceBatcher::reject_unread(const data::Position& position, std::string_view code,
                                    std::string_view message, Output& output) {
    output_ = &output;
    // What came before it must leave before it.
    flush(output);
    return reject_position(position, code, message);
}

Status SourceBatcher::reject_position(const data::Position& position, std::string_view code,
                                      std::string_view message) {
    rejected_bytes_ += kRejectionBytes;
    return output_->reject({.code = code,
                            .message = message,
                            .field = {},
                            .payload = {},
                            .key = {},
                            .position = position,
                            .split = split_name(position.split)});
}

Status SourceBatcher::on_tick(Output& output) {
    if (clock_.now() >= due()) flush(output);
    return {};
}

void SourceBatcher::flush(Output& output) {
    if (!is_empty()) output.emit(builder_.finish());
}

Status SourceBatcher::on_bad_record(const RawRecord& record, std::string_view code,
                                    std::string_view message, std::string_view field) {
    const auto headers = headers_ == nullptr ? std::span<const RecordHeader>()
                                             : headers_->headers_of(record.position);
    rejected_bytes_ += record.payload.size() + record.key.size() + kRejectionBytes;
    for (const RecordHeader& header : headers)
        rejected_bytes_ += header.name.size() + header.value.size();
    return output_->reject({.code = code,
                            .message = message,
                            .field = field,
                            .payload = record.payload,
                            .key = record.key,
                            .position = record.position,
                            .split = split_name(record.position.split),
                            .headers = headers});
}

std::string_view SourceBatcher::split_name(std::int32_t split) const {
    const auto known = std::find_if(split_names_.begin(), split_names_.end(),
                                    [&](const auto& entry) { return entry.first == split; });
    return known == split_names_.end() ? std::string_view() : std::string_view(known->second);
}

}  // namespace millrace::operators
