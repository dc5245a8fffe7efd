// The Kafka clients of one job in one TaskManager: one for each cluster, direction and settings.
//
// A client handle costs three threads and its queues, so the tasks of a job share it. Sources take
// their records from queues of their own (KafkaReader); sinks tell their records apart by the
// pointer that travels with each (DeliveryLedger). Nothing here blocks: what must ask a broker and
// wait runs through RunBlocking, on a thread that may.
//
// Threads:    any.
// Ownership:  KafkaClients owns the clients until it is destroyed, at the end of the job; its
//             destructor waits for their threads (kKafkaCloseMax each). Readers and sinks share
//             them, because a question to a broker may still be on its way when a task ends.
// Limits:     KafkaMemory for each client.
// Failure:    kInvalidOption from start; a broken connection is no failure, see ClusterHealth.

#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "operators/detachable_waker.h"
#include "operators/kafka/cluster_health.h"
#include "operators/kafka/kafka_handles.h"
#include "operators/kafka/kafka_settings.h"
#include "operators/operator.h"
#include "runtime/base/clock.h"
#include "runtime/base/run_blocking.h"
#include "runtime/base/status.h"
#include "runtime/base/thread_annotations.h"

namespace millrace::operators {

// What a topic looks like to a client; `failure` set when it could not be learned.
struct TopicView {
    std::int32_t partitions = 0;
    std::optional<Error> failure;
};

class DeliveryLedger;

class KafkaClient : public std::enable_shared_from_this<KafkaClient> {
  public:
    static constexpr Duration kServeInterval = std::chrono::milliseconds(20);
    static constexpr Duration kQuestionMax = std::chrono::seconds(10);

    // Errors: kInvalidOption.
    static Result<std::shared_ptr<KafkaClient>> start(KafkaSettings settings, const Clock& clock,
                                                      RunBlocking blocking);
    KafkaClient(KafkaSettings settings, const Clock& clock, RunBlocking blocking);
    KafkaClient(const KafkaClient&) = delete;
    KafkaClient& operator=(const KafkaClient&) = delete;
    // Waits for librdkafka's threads, at most kKafkaCloseMax.
    ~KafkaClient();

    [[nodiscard]] rd_kafka_t* handle() const { return handle_.get(); }
    [[nodiscard]] const KafkaSettings& settings() const { return settings_; }
    [[nodiscard]] ClusterHealth& health() { return health_; }

    // Runs the callbacks that are due: errors, statistics, delivery reports. Returns at once when
    // another task does it just now. What calls serve_sometimes() does it at most
    // each kServeInterval, all together.
    void serve();
    void serve_sometimes();

    // Asks for the topic on a thread that may block, then calls `done` there. Asking before the
    // first use makes the first record come after milliseconds, not half a second.
    void learn_topic(std::string topic, const std::function<void(TopicView)>& done);

    // Wakes the broker threads, so that they look at queues that have room again. Only versions
    // before 2.3 need it: they sleep up to a second when a queue was full.
    void hint_room();

    // Keeps a ledger for as long as reports for it may come, which is after its task has ended.
    void keep(std::shared_ptr<DeliveryLedger> ledger) MILLRACE_EXCLUDES(mutex_);

    // Runs on a thread that may block, while this client is kept alive; not at all once the client
    // was abandoned.
    Status run_blocking(std::function<void(KafkaClient&)> work);

    // Nobody waits for answers any more: questions that have not begun are dropped. Any thread.
    void abandon() { is_abandoned_.store(true, std::memory_order_relaxed); }

    // What librdkafka's callbacks are given. It outlives the client when its threads do.
    struct CallbackTarget {
        Mutex mutex;
        ClusterHealth* health MILLRACE_GUARDED_BY(mutex);
    };

  private:
    const KafkaSettings settings_;
    const Clock& clock_;
    const RunBlocking blocking_;
    ClusterHealth health_;
    std::unique_ptr<CallbackTarget> target_;
    std::atomic<bool> is_abandoned_{false};
    std::atomic_flag serving_;
    std::atomic<TimePoint::rep> serve_next_{0};  // Read racily; a wrong value serves once more.
    std::string sasl_username_;
    std::string sasl_password_;

    Mutex mutex_;
    std::vector<std::shared_ptr<DeliveryLedger>> ledgers_ MILLRACE_GUARDED_BY(mutex_);

    KafkaHandle handle_;  // Last: its threads call into the members above.
};

class KafkaClients {
  public:
    KafkaClients(KafkaMemory memory, const Clock& clock, RunBlocking blocking);
    KafkaClients(const KafkaClients&) = delete;
    KafkaClients& operator=(const KafkaClients&) = delete;
    // Abandons the clients; those that a question still uses go with it.
    ~KafkaClients();

    // The client for these settings; `memory` of them is filled in here.
    Result<std::shared_ptr<KafkaClient>> client(KafkaSettings settings) MILLRACE_EXCLUDES(mutex_);

  private:
    const KafkaMemory memory_;
    const Clock& clock_;
    const RunBlocking blocking_;

    Mutex mutex_;
    std::vector<std::shared_ptr<KafkaClient>> clients_ MILLRACE_GUARDED_BY(mutex_);
};

}  // namespace millrace::operators
