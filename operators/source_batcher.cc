#include "operators/source_batcher.h"

#include <algorithm>
#include <utility>

namespace millrace::operators {

SourceBatcher::SourceBatcher(std::unique_ptr<RecordDecoder> decoder, BatchingOptions options,
                             OperatorContext& context)
    : decoder_(std::move(decoder)),
      options_(options),
      clock_(context.clock),
      builder_(decoder_->schema(), context.batches) {}

void SourceBatcher::name_split(std::int32_t split, std::string name) {
    split_names_.emplace_back(split, std::move(name));
}

Result<std::size_t> SourceBatcher::add(std::span<const RawRecord> records, Output& output) {
    output_ = &output;
    rejected_ = false;
    const bool was_empty = is_empty();
    MILLRACE_TRY_ASSIGN(const std::size_t taken, decode(records));
    if (builder_.is_full() || rejected_)
        flush(output);
    else if (was_empty && !is_empty())
        due_ = clock_.now() + options_.linger;
    return taken;
}

// Hands runs of records of acceptable length to the decoder, until the batch is full.
Result<std::size_t> SourceBatcher::decode(std::span<const RawRecord> records) {
    std::size_t taken = 0;
    while (taken < records.size()) {
        const auto rest = records.subspan(taken);
        const auto too_long = std::find_if(rest.begin(), rest.end(), [&](const RawRecord& record) {
            return record.payload.size() > options_.record_bytes_max;
        });
        const auto run = rest.first(static_cast<std::size_t>(too_long - rest.begin()));
        if (!run.empty()) {
            MILLRACE_TRY(builder_.begin());
            MILLRACE_TRY_ASSIGN(const std::size_t decoded, decoder_->decode(run, builder_, *this));
            taken += decoded;
            if (builder_.is_full()) return taken;
        }
        if (too_long == rest.end()) continue;
        const std::string message =
            fmt::format("the record has {} bytes; at most {} are allowed", too_long->payload.size(),
                        options_.record_bytes_max);
        MILLRACE_TRY(on_bad_record({.payload = {}, .key = {}, .position = too_long->position},
                                   "too_long", message, ""));
        ++taken;
    }
    return taken;
}

Status SourceBatcher::reject_unread(const data::Position& position, std::string_view code,
                                    std::string_view message, Output& output) {
    output_ = &output;
    // What came before it must leave before it.
    flush(output);
    return on_bad_record({.payload = {}, .key = {}, .position = position}, code, message, "");
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
    rejected_ = true;
    return output_->reject({.code = code,
                            .message = message,
                            .field = field,
                            .payload = record.payload,
                            .key = record.key,
                            .position = record.position,
                            .split = split_name(record.position.split)});
}

std::string_view SourceBatcher::split_name(std::int32_t split) const {
    const auto known = std::find_if(split_names_.begin(), split_names_.end(),
                                    [&](const auto& entry) { return entry.first == split; });
    return known == split_names_.end() ? std::string_view() : std::string_view(known->second);
}

}  // namespace millrace::operators
