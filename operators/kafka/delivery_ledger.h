// Counts one sink subtask's records between the hand-over to librdkafka and the acknowledgement.
//
// Every record carries a pointer to its ledger, since the producer is shared by the sinks of a job.
// The client keeps the ledgers until its handle is gone: reports may come after the task ended.
//
// Threads:    sent() and the questions: the task's. on_delivery(): whoever serves the client, one
//             at a time.
// Ownership:  the sink and the client share it.
// Limits:     the client's queue limits what is outstanding.
// Failure:    the first record that could not be delivered is kept as an Error.

#pragma once

#include <atomic>
#include <cstdint>
#include <optional>

#include "operators/kafka/kafka_handles.h"
#include "runtime/base/status.h"
#include "runtime/base/thread_annotations.h"

namespace millrace::operators {

class DeliveryLedger {
  public:
    // librdkafka's callback: one call for each record, acknowledged or given up.
    static void on_delivery(rd_kafka_t* handle, const rd_kafka_message_t* message, void* opaque);

    void sent(std::uint64_t records) { sent_ += records; }
    [[nodiscard]] std::uint64_t sent() const { return sent_; }
    [[nodiscard]] std::uint64_t settled() const { return settled_.load(std::memory_order_acquire); }
    // True when every record sent was acknowledged, false while some are open. Errors: that of the
    // first record that was given up.
    [[nodiscard]] Result<bool> is_settled() const MILLRACE_EXCLUDES(mutex_);
    // The first record that was given up, with topic, partition and cause.
    [[nodiscard]] std::optional<Error> failure() const MILLRACE_EXCLUDES(mutex_);

  private:
    void settle(const rd_kafka_message_t& message) MILLRACE_EXCLUDES(mutex_);

    std::uint64_t sent_ = 0;  // The task's.
    // One writer at a time: the client lets one thread serve.
    std::atomic<std::uint64_t> settled_{0};
    std::atomic<bool> failed_{false};

    mutable Mutex mutex_;
    std::optional<Error> failure_ MILLRACE_GUARDED_BY(mutex_);
};

}  // namespace millrace::operators
