// Reads the headers of a Kafka record, for the dead letter that it becomes.
//
// librdkafka takes them apart when they are asked for, which is once for each rejected record and
// never for a good one.
//
// Threads:    one.
// Ownership:  what read() gives refers to the message, and is valid until the next read().
// Limits:     kHeadersMax headers and kHeaderBytesMax bytes of names and values; of more, a header
//             `millrace.headers_dropped` says how many are missing.
// Failure:    none; headers that cannot be read are none.

#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "operators/kafka/kafka_handles.h"
#include "operators/operator.h"

namespace millrace::operators {

class HeaderReader {
  public:
    static constexpr std::size_t kHeadersMax = 64;
    static constexpr std::size_t kHeaderBytesMax = std::size_t{32} << 10;
    static constexpr std::string_view kDropped = "millrace.headers_dropped";

    [[nodiscard]] std::span<const RecordHeader> read(const rd_kafka_message_t& message);

  private:
    std::vector<RecordHeader> headers_;
    std::string dropped_;
};

}  // namespace millrace::operators
