// The work of the reference job written by hand as one function of one thread: what remains of the
// copy loop's speed when a runtime costs nothing.
//
// Decodes, hashes, learns, and encodes with the product's own parts, into records with the key, the
// partition and the text that the job gives them. It leaves out what a job does besides: scores
// come from the learner (no serving view), and there are no tasks, no delivery accounts, no dead
// letters, no positions, no second thread.
//
// Threads:    one.
// Ownership:  owns its memory: a table of 2^22 cells, one batch, the text of the last records.
// Failure:    aborts: the events are the benchmark's own.

#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <librdkafka/rdkafka.h>

#include "memory/segment.h"
#include "ml/feature_compiler.h"
#include "ml/learner.h"
#include "ml/table.h"
#include "operators/format/record_decoder.h"
#include "runtime/data/batch_builder.h"
#include "tests/support/slot_world.h"

namespace millrace::bench {

class FusedWork {
  public:
    explicit FusedWork(int partitions);

    // A MakeMessages (record_loop.h).
    void operator()(std::span<rd_kafka_message_t* const> read, std::span<rd_kafka_message_t> write);

  private:
    data::BatchPtr decode(std::span<rd_kafka_message_t* const> read);
    std::span<const float> learn(const data::Batch& batch);
    // Writes one record behind the text and returns its bytes.
    std::string_view encode(std::string_view id, std::int64_t ts, float score);

    const std::uint32_t partitions_;
    test::SlotWorld world_;
    std::unique_ptr<operators::RecordDecoder> decoder_;
    data::BatchBuilder builder_;
    ml::FeatureCompiler features_;
    std::unique_ptr<ml::Learner> learner_;
    memory::Segment cells_;
    memory::Segment dirty_;
    std::optional<ml::Table> table_;

    std::vector<std::size_t> feature_columns_;  // In the order of features_.fields().
    std::vector<operators::RawRecord> raw_;
    data::BatchPtr batch_;  // The keys of the last records stand in it.
    std::vector<std::int32_t> offsets_;
    std::vector<std::uint32_t> slots_;
    std::vector<std::uint64_t> scratch_;
    std::vector<float> labels_;
    std::vector<float> scores_;
    std::vector<char> text_;
    char* text_end_ = nullptr;
    std::vector<rd_kafka_message_t> messages_;
    std::uint64_t version_ = 0;
};

}  // namespace millrace::bench
