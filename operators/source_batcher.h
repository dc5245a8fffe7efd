// Turns the records of a source into batches of rows: decodes, dead-letters, lingers, emits.
//
// A batch is emitted when it is full, when its first row has waited for the linger time, or when a
// record was rejected. The last rule keeps snapshots exact: rows that wait here are read again
// after a restore, so nothing that has left already, not even a dead letter, may stand behind them.
//
// Threads:    the task's.
// Ownership:  owns the decoder; borrows the context. Records need to live for the call only.
// Limits:     record_bytes_max a record; one batch a call, and kRejectedBytesMax of rejected
//             records with the piece that passes it: they leave at once, and nobody asked for room
//             between.
// Failure:    an Error is the task's: memory, or the job's threshold of bad records.

#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "operators/format/record_decoder.h"
#include "operators/operator.h"
#include "runtime/base/status.h"
#include "runtime/data/batch_builder.h"

namespace millrace::operators {

inline constexpr std::size_t kRecordBytesMaxDefault = std::size_t{1} << 20;
inline constexpr Duration kLingerDefault = std::chrono::milliseconds(2);

struct BatchingOptions {
    std::size_t record_bytes_max = kRecordBytesMaxDefault;
    Duration linger = kLingerDefault;
};

// Finds what a record carries beside key and value: asked about rejected records only.
class RecordHeaders {
  public:
    virtual ~RecordHeaders() = default;
    // Valid until the next call. `position`: of a record that add() was given and is working on.
    virtual std::span<const RecordHeader> headers_of(const data::Position& position) = 0;
};

class SourceBatcher final : private BadRecords {
  public:
    // Records that are decoded together, unless one alone is longer.
    static constexpr std::size_t kPieceBytes = data::kBytesTarget;
    static constexpr std::size_t kRejectedBytesMax = data::kBytesTarget;

    // `headers` may be null: records have none.
    SourceBatcher(std::unique_ptr<RecordDecoder> decoder, BatchingOptions options,
                  OperatorContext& context, RecordHeaders* headers = nullptr);

    // What dead letters say about where a record came from. `split` is its index.
    void name_split(std::int32_t split, std::string name);

    // Takes records in order and returns how many, at least one; stops early after emitting a
    // batch.
    Result<std::size_t> add(std::span<const RawRecord> records, Output& output);
    // Counts a record that is too long, or damaged beyond its frame, by its position only.
    Status reject_unread(const data::Position& position, std::string_view code,
                         std::string_view message, Output& output);

    // Emits what has waited long enough.
    Status on_tick(Output& output);
    // Emits what there is.
    void flush(Output& output);

    // True when every record taken was emitted or rejected: the moment to note positions.
    [[nodiscard]] bool is_empty() const { return builder_.rows() == 0; }
    // When on_tick() is wanted; TimePoint::max() while empty.
    [[nodiscard]] TimePoint due() const { return is_empty() ? TimePoint::max() : due_; }

  private:
    static constexpr std::size_t kRejectionBytes = 256;  // Besides the record: names and reason.

    Status on_bad_record(const RawRecord& record, std::string_view code, std::string_view message,
                         std::string_view field) override;
    [[nodiscard]] std::span<const RawRecord> piece_of(std::span<const RawRecord> records) const;
    // Rejects a record of which nothing but the position is kept.
    Status reject_position(const data::Position& position, std::string_view code,
                           std::string_view message);
    Result<std::size_t> decode(std::span<const RawRecord> records);
    Status reject_too_long(const RawRecord& record);
    [[nodiscard]] std::string_view split_name(std::int32_t split) const;

    const std::unique_ptr<RecordDecoder> decoder_;
    const BatchingOptions options_;
    const Clock& clock_;
    RecordHeaders* const headers_;
    std::vector<std::pair<std::int32_t, std::string>> split_names_;

    data::BatchBuilder builder_;
    TimePoint due_{};
    Output* output_ = nullptr;        // Set while a call to add() runs.
    std::size_t rejected_bytes_ = 0;  // In this call; what a dead letter takes, about.
};

}  // namespace millrace::operators
