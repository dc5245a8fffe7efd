// What a task knows about its topic: whether it exists, and how many partitions it has.
//
// The question goes to the brokers on a thread that may block; the task is rung when the answer is
// there. A broker that does not answer is asked again by the next ask(); a topic that does not
// exist, or must not be used, is a failure.
//
// Threads:    the task's; the answer arrives from another.
// Ownership:  shares the client.
// Limits:     one question at a time.
// Failure:    kNotFound, kPermissionDenied, naming the topic.

#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "operators/kafka/kafka_client.h"
#include "runtime/base/status.h"
#include "runtime/base/thread_annotations.h"

namespace millrace::operators {

class TopicWatch {
  public:
    TopicWatch(std::shared_ptr<KafkaClient> client, std::string topic,
               std::shared_ptr<DetachableWaker> waker);

    // Asks, unless a question is under way.
    void ask();
    // Forgets what is known and asks.
    void ask_anew();
    // Takes an answer that has come. True when the topic is known.
    Result<bool> is_known();

    [[nodiscard]] bool is_asking() const { return asking_; }
    // REQUIRES: is_known() said true.
    [[nodiscard]] std::int32_t partitions() const { return partitions_; }
    // Why the topic is not known yet; empty when nothing is wrong.
    [[nodiscard]] const std::string& trouble() const { return trouble_; }

  private:
    struct Answer {
        Mutex mutex;
        std::optional<TopicView> view MILLRACE_GUARDED_BY(mutex);
    };

    const std::shared_ptr<KafkaClient> client_;
    const std::string topic_;
    const std::shared_ptr<DetachableWaker> waker_;
    const std::shared_ptr<Answer> answer_ = std::make_shared<Answer>();
    bool asking_ = false;
    std::int32_t partitions_ = 0;  // 0 = not known.
    std::string trouble_;
};

}  // namespace millrace::operators
