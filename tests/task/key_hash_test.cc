#include "runtime/task/key_hash.h"

#include <algorithm>
#include <limits>
#include <string_view>
#include <vector>

#include <catch2/catch.hpp>

#include "runtime/base/key_groups.h"
#include "runtime/data/batch_memory.h"
#include "runtime/state/key_groups.h"
#include "tests/support/slot_world.h"

namespace millrace::task {
namespace {

using data::Kind;

std::uint32_t murmur(std::string_view text, std::uint32_t seed) {
    return state::murmur3(std::as_bytes(std::span(text)), seed);
}

// Vectors published with other implementations of MurmurHash3_x86_32.
TEST_CASE("murmur3() agrees with published vectors", "[task][key_hash]") {
    REQUIRE(murmur("", 0) == 0);
    REQUIRE(murmur("", 1) == 0x514e28b7);
    REQUIRE(murmur("", 0xffffffff) == 0x81f16f39);
    REQUIRE(murmur("\xff\xff\xff\xff", 0) == 0x76293b50);
    REQUIRE(murmur("\x21\x43\x65\x87", 0) == 0xf55b516b);
    REQUIRE(murmur("\x21\x43\x65\x87", 0x5082edee) == 0x2362f9de);
    REQUIRE(murmur("\x21\x43\x65", 0) == 0x7e4a8634);
    REQUIRE(murmur("\x21\x43", 0) == 0xa0f7b07a);
    REQUIRE(murmur("\x21", 0) == 0x72661cf4);
    REQUIRE(murmur("Hello, world!", 0x9747b28c) == 0x24884cba);
}

TEST_CASE("Each key group belongs to exactly one subtask, in contiguous ranges",
          "[task][key_hash]") {
    const std::uint32_t key_groups = GENERATE(as<std::uint32_t>(), 1, 100, kKeyGroups, 1024);
    for (std::uint32_t parallelism = 1; parallelism <= std::min(key_groups, 200U); ++parallelism) {
        std::uint32_t next = 0;
        for (std::uint32_t subtask = 0; subtask < parallelism; ++subtask) {
            const state::KeyGroupRange range = state::range_of(subtask, parallelism, key_groups);
            REQUIRE(range.first < range.end);
            if (range.first != next) FAIL("gap at " << parallelism << "/" << subtask);
            for (std::uint32_t group = range.first; group < range.end; ++group) {
                if (state::subtask_of(group, parallelism, key_groups) != subtask)
                    FAIL("wrong owner");
            }
            next = range.end;
        }
        REQUIRE(next == key_groups);
    }
}

// One row with a value in each column; hashes each column alone.
class KeyRow {
  public:
    KeyRow() {
        data::BatchBuilder builder(*data::Schema::make({{"bool", {Kind::kBool, {}}},
                                                        {"int32", {Kind::kInt32, {}}},
                                                        {"int64", {Kind::kInt64, {}}},
                                                        {"time", {Kind::kTimestampMs, {}}},
                                                        {"float32", {Kind::kFloat32, {}}},
                                                        {"float64", {Kind::kFloat64, {}}},
                                                        {"text", {Kind::kString, {}}},
                                                        {"null", {Kind::kString, {}}},
                                                        {"empty", {Kind::kString, {}}},
                                                        {"zero", {Kind::kFloat64, {}}},
                                                        {"minus_zero", {Kind::kFloat32, {}}},
                                                        {"nan", {Kind::kFloat64, {}}},
                                                        {"minus_nan", {Kind::kFloat32, {}}}}),
                                   world_.batches());
        REQUIRE(builder.begin().has_value());
        builder.set_bool(0, true);
        builder.set_int32(1, 42);
        builder.set_int64(2, -1);
        builder.set_int64(3, 42);
        builder.set_float32(4, 1.5F);
        builder.set_float64(5, 1.5);
        REQUIRE(builder.set_text(6, "user-7").has_value());
        REQUIRE(builder.set_text(8, "").has_value());
        builder.set_float64(9, 0.0);
        builder.set_float32(10, -0.0F);
        builder.set_float64(11, std::numeric_limits<double>::quiet_NaN());
        builder.set_float32(12, -std::numeric_limits<float>::quiet_NaN());
        builder.end_row({});
        batch_ = builder.finish();
    }
    std::uint32_t hash(const std::vector<std::size_t>& columns) {
        std::uint32_t hash = 0;
        hash_keys(*batch_, columns, std::span(&hash, 1));
        return hash;
    }

  private:
    test::SlotWorld world_;
    data::BatchPtr batch_;
};

// Expected values from an independent implementation in Python, fed with the bytes that the header
// names: integers as little-endian int64, floats as double.
TEST_CASE("hash_keys() hashes values by their bytes, columns in a chain", "[task][key_hash]") {
    KeyRow row;
    REQUIRE(row.hash({0}) == 0x53075d44);
    REQUIRE(row.hash({1}) == 0x6f8f913e);
    REQUIRE(row.hash({2}) == 0x627564e8);
    REQUIRE(row.hash({5}) == 0xf07a83db);
    REQUIRE(row.hash({6}) == 0x6802cdf0);
    REQUIRE(row.hash({7}) == 0x92ca2f0e);
    REQUIRE(row.hash({1, 6}) == 0x2b3ab596);
}

TEST_CASE("Keys that compare equal hash equally, whatever their type", "[task][key_hash]") {
    KeyRow row;
    REQUIRE(row.hash({1}) == row.hash({3}));
    REQUIRE(row.hash({4}) == row.hash({5}));
    REQUIRE(row.hash({9}) == row.hash({10}));
    REQUIRE(row.hash({11}) == row.hash({12}));
}

TEST_CASE("A null key is not an empty one, and the order of columns matters", "[task][key_hash]") {
    KeyRow row;
    REQUIRE(row.hash({7}) != row.hash({8}));
    REQUIRE(row.hash({1, 6}) != row.hash({6, 1}));
}

}  // namespace
}  // namespace millrace::task
