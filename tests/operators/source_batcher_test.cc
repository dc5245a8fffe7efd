#include "operators/source_batcher.h"

#include <catch2/catch.hpp>

#include "operator_world.h"
#include "tests/support/manual_clock.h"

namespace millrace::operators {
namespace {

using test::CollectingOutput;
using test::OperatorWorld;

struct BatcherWorld {
    explicit BatcherWorld(
        std::unique_ptr<RecordDecoder> decoder = std::make_unique<test::LineDecoder>())
        : world(clock), batcher(std::move(decoder), {}, world.context()) {}

    // Records of split 0 with these payloads, which must outlive them.
    static std::vector<RawRecord> records(const std::vector<std::string>& payloads) {
        std::vector<RawRecord> made;
        for (const std::string& payload : payloads) {
            made.push_back(
                {.payload = payload,
                 .key = {},
                 .position = {.split = 0, .ordinal = static_cast<std::int64_t>(made.size())}});
        }
        return made;
    }

    millrace::test::ManualClock clock;
    OperatorWorld world;
    SourceBatcher batcher;
};

// Takes two records a call, as one that finds no memory for the third.
class ShortDecoder final : public RecordDecoder {
  public:
    const data::SchemaPtr& schema() const override { return lines_.schema(); }
    Result<std::size_t> decode(std::span<const RawRecord> records, data::BatchBuilder& into,
                               BadRecords& bad) override {
        return lines_.decode(records.first(std::min<std::size_t>(records.size(), 2)), into, bad);
    }

  private:
    test::LineDecoder lines_;
};

std::size_t payload_bytes(const CollectingOutput& out) {
    std::size_t bytes = 0;
    for (const auto& rejected : out.rejected) bytes += rejected.payload.size();
    return bytes;
}

}  // namespace

TEST_CASE("SourceBatcher rejects no more bytes in one call than its output has room for",
          "[operators][source_batcher]") {
    // What one read of a Kafka topic may bring when a producer has gone mad.
    BatcherWorld world;
    constexpr std::size_t kRecords = 1000;
    const std::vector<std::string> payloads(kRecords, "bad" + std::string(20'000, 'x'));
    const std::vector<RawRecord> all = BatcherWorld::records(payloads);
    std::size_t rejected = 0;
    std::span<const RawRecord> left(all);
    while (!left.empty()) {
        CollectingOutput out;
        const auto taken = world.batcher.add(left, out);
        REQUIRE(taken);
        REQUIRE(*taken > 0);
        CHECK(out.rejected.size() == *taken);
        CHECK(payload_bytes(out) <= 2 * data::kBytesTarget);
        rejected += out.rejected.size();
        left = left.subspan(*taken);
    }
    CHECK(rejected == kRecords);
}

TEST_CASE("SourceBatcher rejects a record that is larger than a batch by itself",
          "[operators][source_batcher]") {
    BatcherWorld world;
    const std::string large = "bad" + std::string(data::kBytesTarget, 'x');
    const std::vector<std::string> payloads{"a", large, large, "b"};
    const std::vector<RawRecord> all = BatcherWorld::records(payloads);
    CollectingOutput out;
    REQUIRE(world.batcher.add(all, out) == 2U);
    CHECK(out.rows() == std::vector<std::string>{"0:0:a"});
    REQUIRE(world.batcher.add(std::span(all).subspan(2), out) == 1U);
    REQUIRE(world.batcher.add(std::span(all).subspan(3), out) == 1U);
    world.batcher.flush(out);
    CHECK(out.rejected.size() == 2);
    CHECK(out.rows() == std::vector<std::string>{"0:0:a", "0:3:b"});
}

TEST_CASE("SourceBatcher takes a few bad records and what stands between them in one call",
          "[operators][source_batcher]") {
    BatcherWorld world;
    const std::vector<std::string> payloads{"a", "bad", "b", "bad", "c"};
    CollectingOutput out;
    REQUIRE(world.batcher.add(BatcherWorld::records(payloads), out) == 5U);
    CHECK(out.rejected.size() == 2);
    CHECK(out.rows() == std::vector<std::string>{"0:0:a", "0:2:b", "0:4:c"});
}

TEST_CASE("SourceBatcher emits what it has when the decoder finds no memory for more",
          "[operators][source_batcher]") {
    BatcherWorld world(std::make_unique<ShortDecoder>());
    const std::vector<std::string> payloads{"a", "b", "c"};
    const std::vector<RawRecord> all = BatcherWorld::records(payloads);
    CollectingOutput out;
    REQUIRE(world.batcher.add(all, out) == 2U);
    CHECK(out.rows() == std::vector<std::string>{"0:0:a", "0:1:b"});
    CHECK(world.batcher.is_empty());
}

}  // namespace millrace::operators
