// Notices the first record that comes to a Kafka topic, by asking its broker where the topic ends.
//
// Threads:    the owner's; it asks on a thread of its own.
// Ownership:  owns the thread and its client.
// Limits:     asks every kAskEvery, until the record came or the watch is destroyed.
// Failure:    none; a broker that cannot be asked is asked again.

#pragma once

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "operators/kafka/kafka_directory.h"
#include "operators/kafka/kafka_settings.h"
#include "runtime/base/clock.h"

namespace millrace::process {

class FirstRecord {
  public:
    static constexpr Duration kAskEvery = std::chrono::milliseconds(20);

    // Records that are there already do not count. REQUIRES: the topic exists.
    FirstRecord(operators::KafkaConnection connection, std::string topic, const Clock& clock);
    FirstRecord(const FirstRecord&) = delete;
    FirstRecord& operator=(const FirstRecord&) = delete;

    // When it was seen.
    [[nodiscard]] std::optional<TimePoint> seen() const;

  private:
    void watch(const std::stop_token& stop);
    // False when it is time to end.
    bool pause(const std::stop_token& stop);

    const operators::KafkaConnection connection_;
    const std::string topic_;
    const Clock& clock_;
    std::atomic<TimePoint::rep> seen_{0};
    std::mutex mutex_;
    std::condition_variable_any bell_;
    std::jthread thread_;  // Last: it uses the members above.
};

}  // namespace millrace::process
