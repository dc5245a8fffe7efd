#include "operators/kafka/partition_marks.h"

#include "operators/kafka/kafka_handles.h"

namespace millrace::operators {
namespace {

// The offsets at one end: RD_KAFKA_OFFSET_BEGINNING or RD_KAFKA_OFFSET_END, which stand for times
// in the protocol's question.
rd_kafka_resp_err_t ask_end(rd_kafka_t* client, const std::string& topic,
                            std::span<const std::int32_t> partitions, int timeout_ms,
                            std::int64_t end, std::vector<std::int64_t>& offsets) {
    const KafkaPartitions list(
        rd_kafka_topic_partition_list_new(static_cast<int>(partitions.size())));
    for (const std::int32_t partition : partitions)
        rd_kafka_topic_partition_list_add(list.get(), topic.c_str(), partition)->offset = end;
    const rd_kafka_resp_err_t error = rd_kafka_offsets_for_times(client, list.get(), timeout_ms);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) return error;
    offsets.clear();
    offsets.reserve(partitions.size());
    for (const std::int32_t partition : partitions) {
        const rd_kafka_topic_partition_t* found =
            rd_kafka_topic_partition_list_find(list.get(), topic.c_str(), partition);
        if (found == nullptr) return RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION;
        if (found->err != RD_KAFKA_RESP_ERR_NO_ERROR) return found->err;
        offsets.push_back(found->offset);
    }
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

}  // namespace

rd_kafka_resp_err_t ask_partition_marks(rd_kafka_t* client, const std::string& topic,
                                        std::span<const std::int32_t> partitions, int timeout_ms,
                                        std::vector<PartitionMarks>& marks) {
    marks.clear();
    if (partitions.empty()) return RD_KAFKA_RESP_ERR_NO_ERROR;
    std::vector<std::int64_t> low;
    std::vector<std::int64_t> high;
    rd_kafka_resp_err_t error =
        ask_end(client, topic, partitions, timeout_ms, RD_KAFKA_OFFSET_BEGINNING, low);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) return error;
    error = ask_end(client, topic, partitions, timeout_ms, RD_KAFKA_OFFSET_END, high);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) return error;
    marks.reserve(partitions.size());
    for (std::size_t i = 0; i < partitions.size(); ++i) marks.push_back({low[i], high[i]});
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

}  // namespace millrace::operators
