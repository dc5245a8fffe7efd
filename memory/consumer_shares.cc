#include "memory/consumer_shares.h"

#include <algorithm>
#include <charconv>
#include <numeric>

#include "runtime/base/check.h"
#include "runtime/base/random.h"

namespace millrace::memory {
namespace {

using Wide = Random::Wide;
constexpr std::array kConsumers{Consumer::kOperator, Consumer::kStateBackend, Consumer::kModel};
constexpr std::uint32_t kWeightMax = 1'000'000;

std::unexpected<Error> unreadable(std::string_view text, std::string_view reason) {
    return fail(Code::kInvalidOption,
                "consumer weights cannot be read: {}: '{}'. Hint: write for example "
                "OPERATOR:70,STATE_BACKEND:70,MODEL:70.",
                reason, text);
}

std::string_view trimmed(std::string_view text) {
    while (text.starts_with(' ')) text.remove_prefix(1);
    while (text.ends_with(' ')) text.remove_suffix(1);
    return text;
}

Status read_weight(std::string_view item, ConsumerWeights& weights) {
    const std::size_t colon = item.find(':');
    if (colon == std::string_view::npos) return unreadable(item, "no ':' in an entry");
    const std::string_view name = trimmed(item.substr(0, colon));
    const std::string_view number = trimmed(item.substr(colon + 1));
    if (name == "PYTHON") return unreadable(item, "there is no PYTHON consumer here, use MODEL");
    const auto consumer =
        std::ranges::find(kConsumers, name, [](Consumer c) { return to_string(c); });
    if (consumer == kConsumers.end()) return unreadable(item, "unknown consumer");
    std::uint32_t weight = 0;
    const char* const end = number.data() + number.size();
    const auto read = std::from_chars(number.data(), end, weight);
    if (read.ec != std::errc{} || read.ptr != end || weight > kWeightMax) {
        return unreadable(item, "a weight is a whole number from 0 to 1000000");
    }
    weights[static_cast<std::size_t>(*consumer)] = weight;
    return {};
}

std::unexpected<Error> zero_weight(std::string_view who) {
    return fail(Code::kInvalidOption,
                "The fraction of memory to allocate should not be 0: {} is needed but has weight "
                "0. Hint: raise its weight in taskmanager.memory.managed.consumer-weights.",
                who);
}

}  // namespace

std::string_view to_string(Consumer consumer) {
    switch (consumer) {
        case Consumer::kOperator:
            return "OPERATOR";
        case Consumer::kStateBackend:
            return "STATE_BACKEND";
        case Consumer::kModel:
            return "MODEL";
    }
    return "UNKNOWN";
}

Result<ConsumerWeights> parse_consumer_weights(std::string_view text) {
    ConsumerWeights weights{};
    for (std::string_view rest = text;;) {
        const std::size_t comma = rest.find(',');
        MILLRACE_TRY(read_weight(rest.substr(0, comma), weights));
        if (comma == std::string_view::npos) return weights;
        rest.remove_prefix(comma + 1);
    }
}

Share Share::of(std::uint64_t part, std::uint64_t whole) {
    MILLRACE_CHECK_LE(part, whole);
    MILLRACE_CHECK_GT(whole, 0U);
    return Share(static_cast<std::uint64_t>(Wide{part} * kOne / whole));
}

std::uint64_t Share::times(std::uint64_t amount) const {
    return static_cast<std::uint64_t>(Wide{amount} * steps_ / kOne);
}

Result<std::array<Share, kConsumerCount>> starting_shares(const ConsumerWeights& weights,
                                                          const ConsumersPresent& present) {
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < kConsumerCount; ++i) sum += present[i] ? weights[i] : 0;
    std::array<Share, kConsumerCount> shares{};
    for (std::size_t i = 0; i < kConsumerCount; ++i) {
        if (!present[i]) continue;
        if (weights[i] == 0) return zero_weight(to_string(kConsumers[i]));
        shares[i] = Share::of(weights[i], sum);
    }
    return shares;
}

Result<Share> operator_share(Share all_operators, std::uint32_t own_weight,
                             std::uint32_t sum_of_weights) {
    if (own_weight == 0) return zero_weight("an operator");
    MILLRACE_CHECK_LE(own_weight, sum_of_weights);
    return Share(
        static_cast<std::uint64_t>(Wide{all_operators.steps()} * own_weight / sum_of_weights));
}

std::vector<std::uint64_t> divide_pages(std::uint64_t pages,
                                        std::span<const std::uint32_t> weights) {
    const std::uint64_t sum = std::accumulate(weights.begin(), weights.end(), std::uint64_t{0});
    MILLRACE_CHECK_GT(sum, 0U);
    std::vector<std::uint64_t> parts;
    std::vector<std::uint64_t> remainders;
    std::uint64_t left = pages;
    for (const std::uint32_t weight : weights) {
        const Wide exact = Wide{pages} * weight;
        parts.push_back(static_cast<std::uint64_t>(exact / sum));
        remainders.push_back(static_cast<std::uint64_t>(exact % sum));
        left -= parts.back();
    }
    std::vector<std::size_t> order(weights.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::ranges::sort(order, [&](std::size_t a, std::size_t b) {
        return remainders[a] != remainders[b] ? remainders[a] > remainders[b] : a < b;
    });
    for (std::uint64_t i = 0; i < left; ++i) ++parts[order[i]];
    return parts;
}

}  // namespace millrace::memory
