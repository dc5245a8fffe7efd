// Turns librdkafka's error codes into Millrace's, with a hint for the person who must act.
//
// Threads:    pure functions.
// Failure:    none.

#pragma once

#include <string>
#include <string_view>

#include "operators/kafka/kafka_handles.h"
#include "runtime/base/status.h"

namespace millrace::operators {

[[nodiscard]] Code code_of(rd_kafka_resp_err_t error);

// ". Hint: ..." or nothing. `brokers` is what was asked for, `reason` librdkafka's own text.
[[nodiscard]] std::string hint_of(rd_kafka_resp_err_t error, std::string_view brokers,
                                  std::string_view reason);

// "WHAT: REASON. Hint: ..." with code_of(error).
[[nodiscard]] Error kafka_error(rd_kafka_resp_err_t error, std::string_view brokers,
                                std::string_view what, std::string_view reason);

// True for an address that only means something on the machine itself: localhost, 127.*, ::1.
[[nodiscard]] bool is_loopback(std::string_view host);
// True when one of the comma-separated addresses is_loopback().
[[nodiscard]] bool any_is_loopback(std::string_view brokers);

}  // namespace millrace::operators
