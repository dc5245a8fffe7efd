// A Kafka broker inside this process, for the demo and for tests: librdkafka's mock cluster.
//
// This interface hides it, since librdkafka calls it experimental. It speaks the protocol on a
// random port of 127.0.0.1, so Kafka's own tools work with it. It is never a server: records are in
// memory only (about 5 MiB or 100,000 batches a partition, the oldest dropped silently), there are
// no real transactions, no look-up by timestamp, no admin calls, no TLS and no passwords, and an
// empty fetch always waits for the whole fetch.wait.max.ms.
//
// Threads:    any.
// Ownership:  owns the brokers; clients that are still connected see them go down.
// Limits:     as above.
// Failure:    kUnavailable when it cannot start; kInvalidArgument for a bad topic.

#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "runtime/base/status.h"

namespace millrace::operators {

class EmbeddedBroker {
  public:
    // What a broker can be told to answer, once for each call, in place of the truth.
    enum class Request : std::int16_t { kProduce = 0, kFetch = 1, kListOffsets = 2, kMetadata = 3 };

    static Result<std::unique_ptr<EmbeddedBroker>> start(int brokers = 1);
    virtual ~EmbeddedBroker() = default;

    // Errors: kInvalidArgument, kAlreadyExists.
    virtual Status create_topic(std::string_view topic, int partitions) = 0;
    // For `brokers` of a connection: "127.0.0.1:41877".
    [[nodiscard]] virtual std::string address() const = 0;

    // For tests of what happens when brokers misbehave. `broker` counts from 1.
    virtual void set_down(int broker) = 0;
    virtual void set_up(int broker) = 0;
    virtual void set_round_trip_ms(int broker, int round_trip_ms) = 0;
    // The next `times` answers to `request` carry Kafka's error `code`.
    virtual void answer_with_error(Request request, int code, int times) = 0;
    // Every answer about the topic carries Kafka's error `code`.
    virtual void set_topic_error(std::string_view topic, int code) = 0;
};

}  // namespace millrace::operators
