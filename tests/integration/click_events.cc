#include "tests/integration/click_events.h"

#include <cmath>
#include <random>

#include <catch2/catch.hpp>
#include <fmt/format.h>

namespace millrace::integration {
namespace {

constexpr std::size_t kFields = 20;
constexpr std::int64_t kFirstMs = 1'700'000'000'000;

ClickEvent event_of(std::size_t number) {
    std::mt19937_64 random(number + 1);
    ClickEvent event{.impression_id = fmt::format("i{:07d}", number),
                     .ts = kFirstMs + static_cast<std::int64_t>(number),
                     .fields = {}};
    for (std::size_t field = 0; field < kFields; ++field)
        event.fields.push_back(static_cast<std::int32_t>(random() % 50));
    const double logit = -1.5 + 0.08 * (event.fields[0] - 25) - 0.05 * (event.fields[1] - 25);
    const double chance = 1 / (1 + std::exp(-logit));
    event.label = std::uniform_real_distribution<double>()(random) < chance ? 1 : 0;
    return event;
}

}  // namespace

std::string ClickEvent::json() const {
    std::string text = fmt::format(R"({{"impression_id":"{}","ts":{})", impression_id, ts);
    for (std::size_t i = 0; i < fields.size(); ++i)
        text += fmt::format(R"(,"f{}":{})", i, fields[i]);
    return text + fmt::format(R"(,"label":{}}})", label);
}

std::vector<ClickEvent> click_events(std::size_t count, std::size_t first) {
    std::vector<ClickEvent> events;
    events.reserve(count);
    for (std::size_t i = 0; i < count; ++i) events.push_back(event_of(first + i));
    return events;
}

void produce(support::KafkaClient& kafka, const std::string& topic,
             const std::vector<ClickEvent>& events, std::int32_t partitions) {
    std::vector<support::KafkaRecord> records;
    records.reserve(events.size());
    for (std::size_t i = 0; i < events.size(); ++i) {
        records.push_back({.partition = static_cast<std::int32_t>(i) % partitions,
                           .key = events[i].impression_id,
                           .value = events[i].json()});
    }
    const Status written = kafka.produce(topic, records);
    REQUIRE(written);
}

}  // namespace millrace::integration
