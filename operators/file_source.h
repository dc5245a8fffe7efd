// Reads the lines of a file once to the end: JSON lines, CSV or TSV, plain or gzip.
//
// The file is one split, read by one subtask. A row's ordinal is its line number from 0; a header
// is line 0. A snapshot holds the line number and the byte where the first line begins that was not
// emitted; a restore seeks there, or inflates up to there. A quoted CSV field cannot contain a line
// break.
//
// Threads:    the task's.
// Ownership:  owns the file; its buffer is the slot's.
// Limits:     record_bytes_max a line: a longer one is rejected by its position.
// Failure:    kNotFound, kPermissionDenied, kCorruption (gzip), with the path; also a file that has
//             become shorter than the snapshot says.

#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "operators/file_reader.h"
#include "operators/format/record_decoder.h"
#include "operators/line_buffer.h"
#include "operators/operator.h"
#include "operators/registry.h"
#include "operators/source_batcher.h"
#include "operators/split_positions.h"

namespace millrace::operators {

class FileSource final : public Source {
  public:
    static constexpr std::size_t kLinesMax = 1000;                   // Of one call of the decoder.
    static constexpr std::size_t kSkipBytes = std::size_t{1} << 20;  // A poll, in a gzip file.

    // Makes the decoder once the header is known; nothing without a header.
    using MakeDecoder = std::function<Result<std::unique_ptr<RecordDecoder>>(
        std::optional<std::string_view> header)>;

    struct Options {
        std::string path;
        bool header = false;
        BatchingOptions batching;
    };

    static OperatorSpec spec();

    FileSource(Options options, MakeDecoder make_decoder);

    Status open(OperatorContext& context) override;
    Status restore(state::SnapshotReader& reader) override;
    Status add_splits(std::span<const Split> splits) override;
    Result<Progress> poll(Output& output) override;
    Result<Progress> snapshot(std::uint64_t checkpoint_id, state::SnapshotWriter& writer) override;
    Status on_tick(Output& output) override;
    [[nodiscard]] TimePoint next_tick() const override;
    void close() noexcept override;

  private:
    // Opens the file and reads the header. False while the start position is not reached.
    Result<bool> start();
    Status read_header();
    Status read_more();
    // Collects whole lines from the buffer.
    void collect();
    Status reject_long_line(Output& output);
    Status take_pending(Output& output);
    void settle();

    const Options options_;
    const MakeDecoder make_decoder_;
    OperatorContext* context_ = nullptr;

    std::optional<Split> split_;
    std::optional<SplitPosition> restored_;
    std::unique_ptr<FileReader> file_;
    std::unique_ptr<LineBuffer> lines_;
    std::unique_ptr<SourceBatcher> batcher_;
    bool at_start_position_ = false;
    bool file_ended_ = false;

    std::array<RawRecord, kLinesMax> records_;
    std::array<std::uint64_t, kLinesMax> line_ends_;  // In the content, of the records.
    std::span<const RawRecord> pending_;
    bool long_line_ = false;  // Behind the pending ones stands one that is too long.
    std::int64_t next_line_ = 0;

    SplitPosition taken_;    // Behind the last line decoded or rejected.
    SplitPosition settled_;  // Behind the last line that has left.
};

}  // namespace millrace::operators
