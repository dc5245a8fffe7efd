// How much memory the models of a job take, and how many slots it needs: what `explain` prints and
// what a cluster compares with what it has.
//
// A table has 2^bits cells of 16 bytes and a map of one byte for each 64-byte line; a serving view
// has 4 bytes a weight, 8 with a variance. Once a process, whatever the parallelism.
//
// Threads:    any.
// Failure:    none. REQUIRES: the job was validated.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace millrace::proto {
class Job;
}

namespace millrace::jobfile {

struct ModelMemory {
    std::string model;
    std::int32_t bits = 0;
    std::int64_t table_bytes = 0;
    std::int64_t dirty_bytes = 0;
    std::int64_t view_bytes = 0;

    [[nodiscard]] std::int64_t total_bytes() const {
        return table_bytes + dirty_bytes + view_bytes;
    }
};

// One entry for each model that a step uses, in the order of the file.
[[nodiscard]] std::vector<ModelMemory> model_memory(const proto::Job& job);
[[nodiscard]] std::int64_t model_bytes(const proto::Job& job);

// Slots that the job needs: the largest parallelism.
[[nodiscard]] std::int32_t slots_needed(const proto::Job& job);

// The odds that a new key shares its cell with one of `keys` others: 1 - exp(-keys / 2^bits).
[[nodiscard]] double collision_odds(double keys, std::int32_t bits);

}  // namespace millrace::jobfile
