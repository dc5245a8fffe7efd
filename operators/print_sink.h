// Writes records to standard output, one JSON object a line.
//
// Threads, Ownership: as the operator contract says. Lines of several subtasks are not mixed within
// a line. Limits:     one write of at most kBufferBytes at a time; a reader that is slow slows the
// job. Failure:    an Error when standard output cannot be written.

#pragma once

#include <memory>
#include <vector>

#include "memory/segment.h"
#include "operators/format/record_encoder.h"
#include "operators/operator.h"
#include "operators/registry.h"

namespace millrace::operators {

class PrintSink final : public Step {
  public:
    static constexpr std::size_t kBufferBytes = std::size_t{1} << 20;

    explicit PrintSink(std::unique_ptr<RecordEncoder> encoder);

    static OperatorSpec spec();

    Status open(OperatorContext& context) override;
    Result<Progress> process(const data::BatchPtr& batch, std::uint32_t input,
                             Output& output) override;
    void close() noexcept override;

  private:
    // Writes encoded rows, each with its newline.
    Status write_lines(std::size_t rows);

    const std::unique_ptr<RecordEncoder> encoder_;
    memory::Segment room_;   // Rows as encoded.
    memory::Segment lines_;  // The same with newlines.
    std::vector<std::uint32_t> ends_;
};

}  // namespace millrace::operators
