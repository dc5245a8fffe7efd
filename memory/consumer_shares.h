// Divides a slot's managed memory among its kinds of consumers at deployment. Pure.
//
// A kind's share is its weight divided by the weights of the kinds that the slot really has,
// rounded down to 16 decimals; an operator's part of the OPERATOR share is in proportion to its own
// weight. These are starting values: an account may claim more where others leave room.
//
// Threads:    values.
// Ownership:  none.
// Limits:     shares sum to at most 1; divide_pages() loses no page.
// Failure:    kInvalidOption for weights that cannot be read or are 0 for a kind that is needed.

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "runtime/base/status.h"

namespace millrace::memory {

// Who draws on a slot's managed memory.
enum class Consumer : std::uint8_t { kOperator, kStateBackend, kModel };
inline constexpr std::size_t kConsumerCount = 3;

// The name in taskmanager.memory.managed.consumer-weights, for example "STATE_BACKEND".
[[nodiscard]] std::string_view to_string(Consumer consumer);

// One entry for each Consumer.
using ConsumerWeights = std::array<std::uint32_t, kConsumerCount>;
using ConsumersPresent = std::array<bool, kConsumerCount>;
inline constexpr ConsumerWeights kDefaultConsumerWeights{70, 70, 70};

// Reads "OPERATOR:70,STATE_BACKEND:70,MODEL:70". Kinds that are not named have weight 0.
Result<ConsumerWeights> parse_consumer_weights(std::string_view text);

// A share between 0 and 1 in steps of 10^-16.
class Share {
  public:
    static constexpr std::uint64_t kOne = 10'000'000'000'000'000;

    constexpr Share() = default;
    // REQUIRES: steps <= kOne.
    constexpr explicit Share(std::uint64_t steps) : steps_(steps) {}
    // part / whole, rounded down. REQUIRES: part <= whole, whole > 0.
    static Share of(std::uint64_t part, std::uint64_t whole);

    // This share of `amount`, rounded down.
    [[nodiscard]] std::uint64_t times(std::uint64_t amount) const;
    [[nodiscard]] std::uint64_t steps() const { return steps_; }
    [[nodiscard]] double value() const { return static_cast<double>(steps_) / double{kOne}; }
    friend bool operator==(const Share&, const Share&) = default;

  private:
    std::uint64_t steps_ = 0;
};

// The share of each kind that is present; 0 for the others.
Result<std::array<Share, kConsumerCount>> starting_shares(const ConsumerWeights& weights,
                                                          const ConsumersPresent& present);
// The part of one operator in the share of all. Fails when `own_weight` is 0.
Result<Share> operator_share(Share all_operators, std::uint32_t own_weight,
                             std::uint32_t sum_of_weights);

// Divides whole pages in proportion to `weights`: rounded down, then the pages left over go to the
// largest fractional parts, ties to the first. The parts sum to `pages`. REQUIRES: a weight > 0.
[[nodiscard]] std::vector<std::uint64_t> divide_pages(std::uint64_t pages,
                                                      std::span<const std::uint32_t> weights);

}  // namespace millrace::memory
