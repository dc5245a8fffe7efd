// Ad impressions with their label, as jobs/ctr.yaml reads them, made by the tests themselves.
//
// The chance of a click depends on two of the twenty fields, so that there is something to learn.
//
// Threads:    pure functions.
// Failure:    none.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tests/support/kafka_client.h"

namespace millrace::integration {

struct ClickEvent {
    std::string impression_id;
    std::int64_t ts = 0;
    std::vector<std::int32_t> fields;
    std::int32_t label = 0;

    [[nodiscard]] std::string json() const;
};

// `count` events from number `first` on; an event is a function of its number.
[[nodiscard]] std::vector<ClickEvent> click_events(std::size_t count, std::size_t first = 0);

// Writes the events to `topic`, event i to partition i modulo `partitions`.
void produce(support::KafkaClient& kafka, const std::string& topic,
             const std::vector<ClickEvent>& events, std::int32_t partitions);

}  // namespace millrace::integration
