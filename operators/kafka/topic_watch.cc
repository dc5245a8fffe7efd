#include "operators/kafka/topic_watch.h"

#include <utility>

namespace millrace::operators {

TopicWatch::TopicWatch(std::shared_ptr<KafkaClient> client, std::string topic,
                       std::shared_ptr<DetachableWaker> waker)
    : client_(std::move(client)), topic_(std::move(topic)), waker_(std::move(waker)) {}

void TopicWatch::ask() {
    if (std::exchange(asking_, true)) return;
    client_->learn_topic(topic_, [answer = answer_, waker = waker_](TopicView view) {
        {
            const MutexLock lock(answer->mutex);
            answer->view = std::move(view);
        }
        waker->wake();
    });
}

void TopicWatch::ask_anew() {
    partitions_ = 0;
    ask();
}

Result<bool> TopicWatch::is_known() {
    if (!asking_) return partitions_ > 0;
    std::optional<TopicView> view;
    {
        const MutexLock lock(answer_->mutex);
        view = std::exchange(answer_->view, std::nullopt);
    }
    if (!view) return partitions_ > 0;
    asking_ = false;
    if (!view->failure) {
        trouble_.clear();
        partitions_ = view->partitions;
    } else if (!is_retryable(view->failure->code)) {
        return std::unexpected(*std::move(view->failure));
    } else if (partitions_ == 0) {
        trouble_ = std::move(view->failure->message);
    }
    return partitions_ > 0;
}

}  // namespace millrace::operators
