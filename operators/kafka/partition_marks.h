// Where partitions begin and end, asked of their leaders with a deadline that holds.
//
// rd_kafka_query_watermark_offsets() is not used: in librdkafka 2.0.2 it waits without end for a
// broker that is away.
//
// Threads:    any that may block.
// Ownership:  none.
// Limits:     two questions to each leader.
// Failure:    librdkafka's error; RD_KAFKA_RESP_ERR__TIMED_OUT at the deadline.

#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <librdkafka/rdkafka.h>

namespace millrace::operators {

// First offset, and the offset that the next record gets (for read_committed readers).
struct PartitionMarks {
    std::int64_t low = 0;
    std::int64_t high = 0;
};

// Fills `marks` with one entry for each of `partitions`, in their order.
[[nodiscard]] rd_kafka_resp_err_t ask_partition_marks(rd_kafka_t* client, const std::string& topic,
                                                      std::span<const std::int32_t> partitions,
                                                      int timeout_ms,
                                                      std::vector<PartitionMarks>& marks);

}  // namespace millrace::operators
