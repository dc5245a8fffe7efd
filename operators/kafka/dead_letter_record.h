// A row of the `errors` stream as a Kafka record: the original bytes, key and headers, and the
// reason in headers behind them.
//
// Ours: millrace.job, .step, .error.code, .error.message, .error.field, .error.source_topic,
// .error.source_partition, .error.source_offset, .error.time (of sending, milliseconds). A record
// from a file has its path as source_topic and no partition. Tools read them; payloads never appear
// in logs.
//
// Threads:    pure functions.
// Ownership:  the headers belong to the caller until librdkafka takes them.
// Limits:     none of its own.
// Failure:    none.

#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "operators/kafka/kafka_handles.h"
#include "runtime/data/batch.h"

namespace millrace::operators {

using KafkaHeaders = std::unique_ptr<rd_kafka_headers_t, KafkaDeleter<rd_kafka_headers_destroy>>;

// The bytes of a column of errors_schema(); nothing when null.
[[nodiscard]] std::optional<std::string_view> dead_letter_payload(const data::Batch& batch,
                                                                  std::size_t row);
[[nodiscard]] std::optional<std::string_view> dead_letter_key(const data::Batch& batch,
                                                              std::size_t row);
enum class DeadLetterParts : bool { kPositionOnly, kAll };
// kPositionOnly leaves the record's own headers out.
[[nodiscard]] KafkaHeaders dead_letter_headers(const data::Batch& batch, std::size_t row,
                                               std::string_view job, std::int64_t now_ms,
                                               DeadLetterParts parts);

}  // namespace millrace::operators
