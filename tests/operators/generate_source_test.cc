#include "operators/generate_source.h"

#include <map>

#include <catch2/catch.hpp>

#include "operator_world.h"
#include "runtime/state/memory_snapshot.h"
#include "source_runner.h"

namespace millrace::operators {
namespace {

using test::CollectingOutput;
using test::OperatorWorld;

struct GenerateWorld {
    explicit GenerateWorld(GenerateSource::Options options) : source(options) {
        REQUIRE(source.open(world.context()));
    }
    ~GenerateWorld() {
        out.batches.clear();
        source.close();
    }
    Progress run(int polls = 100'000) {
        if (!started_) {
            const Split split{.index = 0};
            REQUIRE(source.add_splits(std::span(&split, 1)));
            started_ = true;
        }
        const auto progress = test::run(source, out, polls);
        REQUIRE(progress);
        return *progress;
    }
    // Every row as text, by event number.
    std::map<std::int64_t, std::string> events() const {
        std::map<std::int64_t, std::string> events;
        for (const auto& batch : out.batches) {
            for (std::size_t row = 0; row < batch->rows(); ++row) {
                std::string text;
                for (std::size_t c = 0; c < batch->columns().size(); ++c) {
                    const data::Column& column = batch->column(c);
                    const data::Kind kind = batch->schema()->fields()[c].type.kind;
                    if (kind == data::Kind::kString)
                        text += column.text_at(row);
                    else if (kind == data::Kind::kInt32)
                        text += fmt::format(" {}", column.as<std::int32_t>()[row]);
                    else
                        text += fmt::format(" {}", column.as<std::int64_t>()[row]);
                }
                REQUIRE(events.emplace(batch->positions().ordinal[row], text).second);
            }
        }
        return events;
    }

    millrace::test::ManualClock clock;
    OperatorWorld world{clock};
    GenerateSource source;
    CollectingOutput out;

  private:
    bool started_ = false;
};

}  // namespace

TEST_CASE("GenerateSource makes the synthetic stream as records", "[operators][generate_source]") {
    GenerateWorld world({.preset = GenerateSource::Preset::kCtr, .limit = 1000});
    CHECK(world.run() == Progress::kEnd);
    const auto events = world.events();
    REQUIRE(events.size() == 1000);
    // The generator check of the stream's definition: seed 1, row 0.
    CHECK(events.at(0) ==
          "i00000000 1700000000000 0 0 1 0 1 32 5 0 20 44 0 45 631 3 24 5 9 5281 3 2 0");
    CHECK(events.at(999).starts_with("i00000999 1700000000999 "));
    int clicks = 0;
    for (const auto& [number, text] : events) clicks += text.ends_with(" 1") ? 1 : 0;
    CHECK(clicks == 95);
}

TEST_CASE("GenerateSource without a split has ended", "[operators][generate_source]") {
    GenerateWorld world({});
    CHECK(test::run(world.source, world.out) == Progress::kEnd);
}

TEST_CASE("GenerateSource goes on after a restore", "[operators][generate_source]") {
    const auto preset = GENERATE(GenerateSource::Preset::kCtr, GenerateSource::Preset::kSequence);
    const GenerateSource::Options options{.preset = preset, .limit = 30'000};
    GenerateWorld whole(options);
    whole.run();
    state::MemorySnapshot snapshot;
    GenerateWorld first(options);
    first.run(20);
    REQUIRE(first.source.snapshot(1, snapshot));
    auto events = first.events();
    CHECK(events.size() == 20 * data::kRowsMax);
    GenerateWorld second(options);
    REQUIRE(second.source.restore(snapshot));
    CHECK(second.run() == Progress::kEnd);
    events.merge(second.events());
    CHECK(events == whole.events());
}

TEST_CASE("GenerateSource keeps its rate, and catches up at most a second",
          "[operators][generate_source]") {
    GenerateWorld world({.preset = GenerateSource::Preset::kSequence, .rate = 1000});
    CHECK(world.run() == Progress::kDone);
    CHECK(world.events().empty());
    world.clock.advance(std::chrono::milliseconds(10));
    world.run();
    CHECK(world.events().size() == 10);
    // Nothing is due before the linger time is over.
    CHECK(world.source.next_tick() == world.clock.now() + kLingerDefault);
    world.clock.advance(std::chrono::milliseconds(990));
    world.run();
    CHECK(world.events().size() == 1000);
    world.clock.advance(std::chrono::minutes(1));
    world.run();
    CHECK(world.events().size() == 2000);
    world.clock.advance(std::chrono::seconds(1));
    world.run();
    CHECK(world.events().size() == 3000);
}

}  // namespace millrace::operators
