// The bare work of librdkafka that every job pays: read each record, write its first 100
// bytes.
//
// Reads all partitions of a topic from the start through one queue, in batches of 1,000, and writes
// with rd_kafka_produce_batch and idempotence. Version 2.0.2 pauses when its fetch queue is over
// its limit, so the queue is as large as it can be; later versions take fetch.queue.backoff.ms.
//
// Threads:    one, beside librdkafka's own.
// Failure:    aborts with librdkafka's words.

#pragma once

#include <cstdint>
#include <string>

namespace millrace::bench {

// Returns when `records` records have been read and as many were acknowledged.
void copy_records(const std::string& brokers, const std::string& from, const std::string& to,
                  int partitions, std::int64_t records);

// The version of the library.
[[nodiscard]] std::string kafka_version();

}  // namespace millrace::bench
