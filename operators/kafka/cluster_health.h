// What is wrong with the connection to a Kafka cluster, in words that a person can act on.
//
// librdkafka reconnects by itself and for ever, so an unreachable broker is not a failure of the
// job: it is a trouble to show. This class takes the client's error events, statistics and log
// lines, keeps the present trouble, and passes log lines on at a bounded rate.
//
// Threads:    any; librdkafka's own threads call on_log().
// Ownership:  borrows the clock, which must outlive it.
// Limits:     kLogKeysMax kinds of log lines a minute, one line of each.
// Failure:    none. A fatal error of the client is kept and returned by fatal().

#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "operators/kafka/kafka_handles.h"
#include "runtime/base/clock.h"
#include "runtime/base/status.h"
#include "runtime/base/thread_annotations.h"

namespace millrace::operators {

class ClusterHealth {
  public:
    static constexpr std::size_t kLogKeysMax = 64;
    static constexpr Duration kLogInterval = std::chrono::minutes(1);

    ClusterHealth(std::string cluster, std::string brokers, const Clock& clock);

    // An error event of the client.
    void on_error(rd_kafka_resp_err_t code, std::string_view reason) MILLRACE_EXCLUDES(mutex_);
    // The client's statistics: the trouble is over when every broker in use is up again.
    void on_statistics(std::string_view json) MILLRACE_EXCLUDES(mutex_);
    // A log line of the client; `level` is syslog's.
    void on_log(int level, std::string_view facility, std::string_view text)
        MILLRACE_EXCLUDES(mutex_);
    // The client cannot go on, for example because a newer producer fenced it.
    void on_fatal(std::string_view reason) MILLRACE_EXCLUDES(mutex_);

    // Empty while all is well.
    [[nodiscard]] std::string trouble() const MILLRACE_EXCLUDES(mutex_);
    // The same with its code, for callers that give up.
    [[nodiscard]] std::optional<Error> trouble_error() const MILLRACE_EXCLUDES(mutex_);
    [[nodiscard]] std::optional<Error> fatal() const MILLRACE_EXCLUDES(mutex_);
    // How often the client said that a topic or partition is gone or forbidden. Who uses a topic
    // and sees the number change asks for it again.
    [[nodiscard]] std::uint64_t topic_doubts() const {
        return topic_doubts_.load(std::memory_order_relaxed);
    }
    // True when no line like this one was let through within the last minute.
    [[nodiscard]] bool may_log(std::string_view key) MILLRACE_EXCLUDES(mutex_);

  private:
    const std::string cluster_;
    const std::string brokers_;
    const Clock& clock_;

    std::atomic<std::uint64_t> topic_doubts_{0};

    mutable Mutex mutex_;
    std::optional<Error> trouble_ MILLRACE_GUARDED_BY(mutex_);
    std::optional<Error> fatal_ MILLRACE_GUARDED_BY(mutex_);
    std::map<std::string, TimePoint, std::less<>> logged_ MILLRACE_GUARDED_BY(mutex_);
};

// True when the statistics show at least one broker up and none that is wanted and not up.
[[nodiscard]] bool all_brokers_up(std::string_view statistics_json);

}  // namespace millrace::operators
