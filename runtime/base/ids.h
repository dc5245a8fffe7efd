// The identities that cross process borders. Strong types, so that two numbers cannot be swapped.
//
// Threads:    values.
// Failure:    parse() answers a Status.

#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "runtime/base/status.h"

namespace millrace {

// 128 bits, printed as 32 lower-case hexadecimal digits (the form that Flink's tools expect).
template <class Tag>
struct HexId {
    std::uint64_t high = 0;
    std::uint64_t low = 0;

    auto operator<=>(const HexId&) const = default;
    [[nodiscard]] std::string to_string() const { return fmt::format("{:016x}{:016x}", high, low); }
};

// Parses 32 hexadecimal digits. Errors: kInvalidArgument.
Result<std::array<std::uint64_t, 2>> parse_hex_id(std::string_view text);

using JobId = HexId<struct JobIdTag>;
// Made from the job's and the step's name, so that it stays the same over restarts.
using VertexId = HexId<struct VertexIdTag>;

// One deployment of a job; grows with every restart and fences what older deployments still send.
enum class Attempt : std::uint32_t {};
// One term of a JobManager; grows with every start of a JobManager on the same state.
enum class LeaderEpoch : std::uint64_t {};

template <class Tag>
Result<HexId<Tag>> parse_id(std::string_view text) {
    MILLRACE_TRY_ASSIGN(const auto words, parse_hex_id(text));
    return HexId<Tag>{words[0], words[1]};
}

}  // namespace millrace
