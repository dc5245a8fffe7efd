// The door to librdkafka: its C API, and one owning type for each thing that it allocates.
//
// No other folder includes librdkafka, and nothing in this folder frees its objects by hand. A
// client handle is special: destroying one joins its threads, and version 2.0.2 can hang there when
// a partition was lost, so close_handle() gives that a deadline.
//
// Threads:    librdkafka is thread safe; the owning types are as their unique_ptr.
// Ownership:  each type owns one object. Topics and queues must go before their client handle.
// Limits:     a client handle costs three threads and one more for each broker.
// Failure:    destruction does not fail; a handle that does not close in time is given up and
//             logged.

#pragma once

#include <memory>

#include <librdkafka/rdkafka.h>

#include "runtime/base/clock.h"

namespace millrace::operators {

template <auto kDestroy>
struct KafkaDeleter {
    template <class T>
    void operator()(T* object) const noexcept {
        kDestroy(object);
    }
};

using KafkaConf = std::unique_ptr<rd_kafka_conf_t, KafkaDeleter<rd_kafka_conf_destroy>>;
using KafkaTopic = std::unique_ptr<rd_kafka_topic_t, KafkaDeleter<rd_kafka_topic_destroy>>;
using KafkaQueue = std::unique_ptr<rd_kafka_queue_t, KafkaDeleter<rd_kafka_queue_destroy>>;
using KafkaEvent = std::unique_ptr<rd_kafka_event_t, KafkaDeleter<rd_kafka_event_destroy>>;
using KafkaError = std::unique_ptr<rd_kafka_error_t, KafkaDeleter<rd_kafka_error_destroy>>;
using KafkaMetadata =
    std::unique_ptr<const rd_kafka_metadata_t, KafkaDeleter<rd_kafka_metadata_destroy>>;
using KafkaPartitions = std::unique_ptr<rd_kafka_topic_partition_list_t,
                                        KafkaDeleter<rd_kafka_topic_partition_list_destroy>>;
using KafkaNewTopic = std::unique_ptr<rd_kafka_NewTopic_t, KafkaDeleter<rd_kafka_NewTopic_destroy>>;
using KafkaAdminOptions =
    std::unique_ptr<rd_kafka_AdminOptions_t, KafkaDeleter<rd_kafka_AdminOptions_destroy>>;

// How long closing a client may take before it is given up.
inline constexpr Duration kKafkaCloseMax = std::chrono::seconds(5);

// Destroys a client handle on a thread of its own; waits for it at most kKafkaCloseMax. False when
// it was given up: its threads then go on, and may still log. Messages that were not delivered are
// dropped: a sink waits for its own before.
bool close_handle(rd_kafka_t* handle) noexcept;

using KafkaHandle = std::unique_ptr<rd_kafka_t, KafkaDeleter<close_handle>>;

}  // namespace millrace::operators
