#include "operators/kafka/kafka_handles.h"

#include <future>
#include <thread>

#include "runtime/base/log.h"

namespace millrace::operators {

bool close_handle(rd_kafka_t* handle) noexcept {
    if (handle == nullptr) return true;
    try {
        std::promise<void> closed;
        std::future<void> done = closed.get_future();
        std::thread closer([handle, promise = std::move(closed)]() mutable {
            // No group was joined, so there is nothing to leave and no offset to commit.
            rd_kafka_destroy_flags(handle, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
            promise.set_value();
        });
        if (done.wait_for(kKafkaCloseMax) == std::future_status::ready) {
            closer.join();
            return true;
        }
        closer.detach();
        log::warn("a Kafka client did not close in time and is left behind; seconds waited: {}",
                  std::chrono::duration_cast<std::chrono::seconds>(kKafkaCloseMax).count());
    } catch (const std::exception& e) {
        log::warn("a Kafka client could not be closed: {}", e.what());
    }
    return false;
}

}  // namespace millrace::operators
