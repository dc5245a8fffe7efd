#include "operators/kafka/delivery_ledger.h"

#include "operators/kafka/kafka_errors.h"

namespace millrace::operators {
namespace {

std::string_view advice(rd_kafka_resp_err_t error) {
    if (error == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE)
        return ". Hint: raise max.message.bytes of the topic, or lower message.max.bytes of the "
               "sink so that such records become dead letters";
    return "";
}

}  // namespace

void DeliveryLedger::on_delivery(rd_kafka_t*, const rd_kafka_message_t* message, void*) {
    static_cast<DeliveryLedger*>(message->_private)->settle(*message);
}

void DeliveryLedger::settle(const rd_kafka_message_t& message) {
    if (message.err != RD_KAFKA_RESP_ERR_NO_ERROR && !failed_.load(std::memory_order_relaxed)) {
        const std::string what =
            fmt::format("cannot write to {}/{} a record of {} bytes",
                        rd_kafka_topic_name(message.rkt), message.partition, message.len);
        Error error = kafka_error(message.err, "", what, "");
        error.message += advice(message.err);
        const MutexLock lock(mutex_);
        failure_ = std::move(error);
        failed_.store(true, std::memory_order_release);
    }
    settled_.store(settled_.load(std::memory_order_relaxed) + 1, std::memory_order_release);
}

Result<bool> DeliveryLedger::is_settled() const {
    // In this order: a report that comes between the two looks may be the last one, and a failure.
    const bool all = settled() == sent_;
    if (auto given_up = failure()) return std::unexpected(*std::move(given_up));
    return all;
}

std::optional<Error> DeliveryLedger::failure() const {
    if (!failed_.load(std::memory_order_acquire)) return std::nullopt;
    const MutexLock lock(mutex_);
    return failure_;
}

}  // namespace millrace::operators
