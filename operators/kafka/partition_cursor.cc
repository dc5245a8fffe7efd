#include "operators/kafka/partition_cursor.h"

namespace millrace::operators {

PartitionCursor::Reaction PartitionCursor::on_error(rd_kafka_resp_err_t error) {
    switch (error) {
        case RD_KAFKA_RESP_ERR__BAD_MSG:
        case RD_KAFKA_RESP_ERR__BAD_COMPRESSION:
        case RD_KAFKA_RESP_ERR__NOT_IMPLEMENTED:
        case RD_KAFKA_RESP_ERR_INVALID_MSG:
            // What follows from an error that nothing was done about yet is no attempt of its own.
            if (is_to_assign_) return Reaction::kNothing;
            stalled_since_.reset();
            if (++errors_ >= kErrorsMax) return Reaction::kCorrupt;
            is_to_assign_ = true;
            return Reaction::kAssignAgain;
        case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
        case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE:
            // Behind a damaged batch librdkafka asks for nonsense; the new assignment answers that.
            return errors_ > 0 ? Reaction::kNothing : Reaction::kOutOfRange;
        case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
        case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
        case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
            return Reaction::kGone;
        case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
            return Reaction::kDenied;
        default:
            return Reaction::kNothing;
    }
}

bool PartitionCursor::is_stalled(std::optional<std::int64_t> high_mark, TimePoint now) {
    if (!high_mark || *high_mark <= position_) {
        stalled_since_.reset();
        return false;
    }
    at_end_ = false;
    if (!stalled_since_) stalled_since_ = now;
    return now - *stalled_since_ >= kStallMax;
}

}  // namespace millrace::operators
