// What an operator needs around it, for tests: memory, clock, bell, metrics, and an Output that
// keeps everything.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <catch2/catch.hpp>

#include "bell.h"
#include "operators/format/record_decoder.h"
#include "operators/format/record_encoder.h"
#include "operators/operator.h"
#include "runtime/base/clock.h"
#include "runtime/base/metrics.h"
#include "runtime/data/schema.h"
#include "tests/support/slot_world.h"

namespace millrace::operators::test {

struct Rejected {
    std::string code;
    std::string payload;
    std::string key;
    std::string split;
    data::Position position;
    // Name and value; "(null)" for no value.
    std::vector<std::pair<std::string, std::string>> headers = {};

    bool operator==(const Rejected&) const = default;
};

class CollectingOutput final : public Output {
  public:
    void emit(data::BatchPtr batch) override { batches.push_back(std::move(batch)); }
    void emit_to(std::uint32_t, data::BatchPtr) override {}
    void emit_watermark(data::Watermark) override {}
    Status reject(const Rejection& rejection) override {
        rejected.push_back({std::string(rejection.code), std::string(rejection.payload),
                            std::string(rejection.key), std::string(rejection.split),
                            rejection.position});
        for (const RecordHeader& header : rejection.headers)
            rejected.back().headers.emplace_back(
                header.name, header.value.data() == nullptr ? "(null)" : header.value);
        return {};
    }
    // "split:ordinal:text of column 0" of every row emitted so far.
    [[nodiscard]] std::vector<std::string> rows() const;

    std::vector<data::BatchPtr> batches;
    std::vector<Rejected> rejected;
};

struct OperatorWorld {
    explicit OperatorWorld(const Clock& clock_in, std::size_t slot_bytes = std::size_t{16} << 20);
    [[nodiscard]] OperatorContext& context() { return *context_; }

    const Clock& clock;
    Bell bell;
    millrace::test::SlotWorld memory;
    metrics::Registry registry;
    metrics::MetricGroup metrics{registry, {{"task_name", "t"}}};

  private:
    std::unique_ptr<OperatorContext> context_;
};

// Calls `step` until it says true; fails the test after 20 s.
void eventually(Bell& bell, const std::function<bool()>& step);

// A schema of text columns.
data::SchemaPtr text_schema(const std::vector<std::string>& names);
// A batch of text rows; a cell "null" is null. Positions: split 7, ordinals from `first`.
data::BatchPtr text_batch(OperatorWorld& world, const data::SchemaPtr& schema,
                          const std::vector<std::vector<std::string>>& rows,
                          std::int64_t first = 0);

// Decodes a record as one text column; records that begin with "bad" cannot be read.
class LineDecoder final : public RecordDecoder {
  public:
    const data::SchemaPtr& schema() const override { return schema_; }
    Result<std::size_t> decode(std::span<const RawRecord> records, data::BatchBuilder& into,
                               BadRecords& bad) override;

  private:
    const data::SchemaPtr schema_ = text_schema({"line"});
};

// Encodes a row as its text columns, separated by bars.
class BarEncoder final : public RecordEncoder {
  public:
    std::size_t encode(const data::Batch& batch, std::size_t first_row, std::span<char> room,
                       std::span<std::uint32_t> ends) override;
};

}  // namespace millrace::operators::test
