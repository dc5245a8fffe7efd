#include "operators/kafka/header_reader.h"

namespace millrace::operators {

std::span<const RecordHeader> HeaderReader::read(const rd_kafka_message_t& message) {
    headers_.clear();
    rd_kafka_headers_t* all = nullptr;
    if (rd_kafka_message_headers(&message, &all) != RD_KAFKA_RESP_ERR_NO_ERROR) return {};
    std::size_t bytes = 0;
    std::size_t dropped = 0;
    const char* name = nullptr;
    const void* value = nullptr;
    std::size_t size = 0;
    for (std::size_t i = 0;
         rd_kafka_header_get_all(all, i, &name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR; ++i) {
        const RecordHeader header{.name = name, .value = {static_cast<const char*>(value), size}};
        const std::size_t more = header.name.size() + header.value.size();
        if (headers_.size() == kHeadersMax || bytes + more > kHeaderBytesMax) {
            ++dropped;
            continue;
        }
        bytes += more;
        headers_.push_back(header);
    }
    if (dropped > 0) {
        dropped_ = std::to_string(dropped);
        headers_.push_back({.name = kDropped, .value = dropped_});
    }
    return headers_;
}

}  // namespace millrace::operators
