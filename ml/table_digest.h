// Names what a table has learned by 64 bits, a piece of the table at a time.
//
// Two tables of one learner have the same digest exactly if (but for a chance of 2^-64) all their
// cells, scalars, row counts and scaler moments have the same bits. What depends on time stays out:
// the version, the order log, and which lines are dirty.
//
//     digest.begin(table);
//     while (!digest.advance(table)) if (time is up) return;   // go on later
//
// Threads:    the table's writer.
// Ownership:  a value; borrows the table for a call.
// Limits:     kPieceBytes a call: some 10 us.
// Failure:    none. REQUIRES: nothing is learned between begin() and the last advance().

#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "ml/table.h"

namespace millrace::ml {

class TableDigest {
  public:
    static constexpr std::size_t kPieceBytes = 64U << 10;

    void begin(const Table& table);
    // Takes in the next piece; the digest when it was the last.
    std::optional<std::uint64_t> advance(const Table& table);

    // All at once: some 100 us a MiB.
    [[nodiscard]] static std::uint64_t of(const Table& table);

  private:
    std::uint64_t hash_ = 0;
    std::size_t next_cell_ = 0;
};

}  // namespace millrace::ml
