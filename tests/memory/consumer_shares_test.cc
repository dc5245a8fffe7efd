#include "memory/consumer_shares.h"

#include <cmath>
#include <numeric>

#include <catch2/catch.hpp>

#include "runtime/base/random.h"

namespace millrace::memory {
namespace {

std::array<std::uint64_t, kConsumerCount> steps_of(const ConsumerWeights& weights,
                                                   const ConsumersPresent& present) {
    const auto shares = starting_shares(weights, present);
    REQUIRE(shares);
    return {(*shares)[0].steps(), (*shares)[1].steps(), (*shares)[2].steps()};
}

using Steps = std::array<std::uint64_t, kConsumerCount>;

}  // namespace

TEST_CASE("Starting shares divide a slot among the consumers that it has",
          "[memory][consumer_shares]") {
    constexpr std::uint64_t kHalf = Share::kOne / 2;
    constexpr std::uint64_t kThird = 3'333'333'333'333'333;
    CHECK(steps_of(kDefaultConsumerWeights, {true, false, false}) == Steps{Share::kOne, 0, 0});
    CHECK(steps_of(kDefaultConsumerWeights, {true, true, false}) == Steps{kHalf, kHalf, 0});
    CHECK(steps_of(kDefaultConsumerWeights, {true, true, true}) == Steps{kThird, kThird, kThird});
    CHECK(steps_of(kDefaultConsumerWeights, {false, false, false}) == Steps{});
}

TEST_CASE("Starting shares are rounded down to sixteen decimals", "[memory][consumer_shares]") {
    // 70/170 = 0.411764705882352941.., 30/170 = 0.176470588235294117..
    CHECK(steps_of({70, 70, 30}, {true, true, true}) ==
          Steps{4'117'647'058'823'529, 4'117'647'058'823'529, 1'764'705'882'352'941});
}

TEST_CASE("An operator's share is its part of the share of all operators",
          "[memory][consumer_shares]") {
    const Share half(Share::kOne / 2);
    CHECK(operator_share(half, 1, 4)->value() == .125);
    CHECK(half.times(100) == 50);
    CHECK_FALSE(operator_share(half, 0, 4));
}

TEST_CASE("A weight of zero for a needed consumer is refused", "[memory][consumer_shares]") {
    const auto shares = starting_shares({70, 0, 70}, {true, true, false});
    REQUIRE_FALSE(shares);
    CHECK_THAT(shares.error().message,
               Catch::Contains("The fraction of memory to allocate should not be 0") &&
                   Catch::Contains("STATE_BACKEND"));
    CHECK(starting_shares({70, 0, 70}, {true, false, true}).has_value());
}

TEST_CASE("Consumer weights are read by name", "[memory][consumer_shares]") {
    CHECK(parse_consumer_weights("MODEL:30, OPERATOR:70").value() == ConsumerWeights{70, 0, 30});
    const auto* const bad = GENERATE("", "MODEL", "MODEL:", "MODEL:-1", "MODEL:x", "OTHER:1",
                                     "PYTHON:30", "MODEL:1,", "MODEL:1000001");
    CAPTURE(bad);
    CHECK_FALSE(parse_consumer_weights(bad));
}

TEST_CASE("Pages are divided by largest remainder", "[memory][consumer_shares]") {
    using Parts = std::vector<std::uint64_t>;
    const auto divided = [](std::uint64_t pages, std::vector<std::uint32_t> weights) {
        return divide_pages(pages, weights);
    };
    CHECK(divided(10, {1, 1, 1}) == Parts{4, 3, 3});
    CHECK(divided(7, {1, 2, 3}) == Parts{1, 2, 4});  // 1.17, 2.33, 3.5
    CHECK(divided(5, {0, 1}) == Parts{0, 5});
    CHECK(divided(0, {1, 1}) == Parts{0, 0});
}

TEST_CASE("Divided pages sum to all pages and are off by less than one",
          "[memory][consumer_shares]") {
    const std::uint64_t seed = GENERATE(range<std::uint64_t>(1, 100));
    CAPTURE(seed);
    Random random(seed);
    std::vector<std::uint32_t> weights(1 + random.below(12));
    for (auto& weight : weights) weight = static_cast<std::uint32_t>(random.below(1000));
    weights[0] += 1;
    const std::uint64_t pages = random.below(200'000);
    const auto parts = divide_pages(pages, weights);
    CHECK(std::accumulate(parts.begin(), parts.end(), std::uint64_t{0}) == pages);
    const double sum = std::accumulate(weights.begin(), weights.end(), 0.0);
    for (std::size_t i = 0; i < parts.size(); ++i) {
        const double exact = static_cast<double>(pages) * weights[i] / sum;
        CHECK(std::abs(static_cast<double>(parts[i]) - exact) < 1);
    }
}

}  // namespace millrace::memory
