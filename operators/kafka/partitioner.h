// Chooses a record's partition as Kafka's Java producer does, so that both write a key to the same
// place: murmur2 of the key. Records without a key go to one partition after the other, a batch
// each, which keeps the producer's batches large.
//
// Threads:    one.
// Ownership:  a value.
// Failure:    none.

#pragma once

#include <cstdint>
#include <string_view>

namespace millrace::operators {

// Austin Appleby's MurmurHash2 with Kafka's seed (org.apache.kafka.common.utils.Utils.murmur2).
[[nodiscard]] std::uint32_t murmur2(std::string_view bytes);

class Partitioner {
  public:
    // Two subtasks that start at different partitions share the load evenly from the start.
    explicit Partitioner(std::uint32_t first) : next_(first) {}

    void set_partitions(std::int32_t partitions) { partitions_ = partitions; }
    [[nodiscard]] std::int32_t partitions() const { return partitions_; }

    // REQUIRES: set_partitions() was called with more than 0.
    [[nodiscard]] std::int32_t of_key(std::string_view key) const {
        return static_cast<std::int32_t>((murmur2(key) & 0x7fffffffU) %
                                         static_cast<std::uint32_t>(partitions_));
    }
    // For all records of the present batch.
    [[nodiscard]] std::int32_t without_key() const {
        return static_cast<std::int32_t>(next_ % static_cast<std::uint32_t>(partitions_));
    }
    void end_batch() { ++next_; }

  private:
    std::int32_t partitions_ = 0;
    std::uint32_t next_;
};

}  // namespace millrace::operators
