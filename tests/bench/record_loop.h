// The bare work of librdkafka that every job pays: reads each record of a topic and writes one to
// another.
//
// Reads all partitions from the start through one queue, in batches of 1,000, and writes with
// rd_kafka_produce_batch and idempotence. Version 2.0.2 pauses when its fetch queue is over its
// limit, so the queue is as large as it can be; later versions take fetch.queue.backoff.ms.
//
// Threads:    one, beside librdkafka's own.
// Failure:    aborts with librdkafka's words.

#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include <librdkafka/rdkafka.h>

namespace millrace::bench {

// Makes one message, with its partition, of each record that was read. What the messages point to
// must last until the next call.
using MakeMessages = std::function<void(std::span<rd_kafka_message_t* const> read,
                                        std::span<rd_kafka_message_t> write)>;

// Each record's first 100 bytes, to the partition it came from.
void copy_records(std::span<rd_kafka_message_t* const> read, std::span<rd_kafka_message_t> write);

// Returns when `records` records of `from` were written to `to` and acknowledged.
void run_record_loop(const std::string& brokers, const std::string& from, const std::string& to,
                     int partitions, std::int64_t records, const MakeMessages& make);

[[nodiscard]] std::string kafka_version();

}  // namespace millrace::bench
