#include "operators/split_positions.h"

#include <functional>

#include <catch2/catch.hpp>

#include "runtime/state/memory_snapshot.h"

namespace millrace::operators {
namespace {

// The bytes of a snapshot with two positions, damaged by `change`.
Result<std::vector<SplitPosition>> read_changed(
    const std::function<void(std::vector<std::byte>&)>& change) {
    state::MemorySnapshot good;
    const std::vector<SplitPosition> positions{{1, 20, 300}, {2, 40, 0}};
    REQUIRE(write_positions(good, positions));
    std::vector<std::byte> bytes = good.sections().at("positions");
    change(bytes);
    state::MemorySnapshot bad;
    REQUIRE(bad.write("positions", bytes));
    return read_positions(bad);
}

}  // namespace

TEST_CASE("Positions of splits come back from a snapshot", "[operators][split_positions]") {
    const auto positions = read_changed([](auto&) {});
    REQUIRE(positions);
    CHECK(*positions == std::vector<SplitPosition>{{1, 20, 300}, {2, 40, 0}});
    state::MemorySnapshot none;
    REQUIRE(write_positions(none, {}));
    CHECK(read_positions(none)->empty());
}

TEST_CASE("Damaged positions of splits are refused", "[operators][split_positions]") {
    const auto refused = [](const std::function<void(std::vector<std::byte>&)>& change) {
        const auto positions = read_changed(change);
        REQUIRE_FALSE(positions);
        CHECK(positions.error().code == Code::kCorruption);
    };
    refused([](auto& bytes) { bytes.resize(3); });
    refused([](auto& bytes) { bytes.pop_back(); });
    refused([](auto& bytes) { bytes.push_back({}); });
    refused([](auto& bytes) { bytes[0] = std::byte{2}; });
    refused([](auto& bytes) { bytes[1] = std::byte{3}; });
    refused([](auto& bytes) { bytes[4] = std::byte{0xff}; });
}

}  // namespace millrace::operators
