// Writes a table into a byte stream and brings it back, bit for bit.
//
//   header | scaler moments | order log | runs of lines | end mark | crc32c of everything before
//
// A full snapshot holds every line that is not all zeros; a delta holds the lines that changed
// since the snapshot before it. A chain is one full snapshot (sequence 0) and its deltas (1, 2,
// ...), all with the chain id that the owner gave. All numbers are little endian. Header, in order:
//   "MRTABLE1", u32 format, kind, bits, scaled columns, shard, shards,
//   u64 chain, sequence, learner identity, settings, schema, version, 4 row counts, steps,
//   f64 scale, f32 label range, u64 order runs
// A run is u32 first line, u32 lines, then 64 bytes a line; the end mark is a run of no lines at
// 0xffffffff.
//
// Threads:    the table's writer.
// Failure:    kCorruption for bytes that cannot be a snapshot (magic, length, checksum, values that
//             are not finite), kInvalidArgument for one of another learner, schema, size or chain.
//             After a failed restore the table is empty: call Learner::set_prior() again.

#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "ml/learner.h"
#include "ml/table.h"
#include "runtime/base/status.h"

namespace millrace::ml {

constexpr std::uint32_t kSnapshotFormat = 1;

class SnapshotSink {
  public:
    virtual ~SnapshotSink() = default;
    virtual Status write(std::span<const std::byte> bytes) = 0;
};

class SnapshotSource {
  public:
    virtual ~SnapshotSource() = default;
    // Fills `bytes` or fails; kCorruption at the end of the stream.
    virtual Status read(std::span<std::byte> bytes) = 0;
};

enum class SnapshotKind : std::uint32_t { kFull = 0, kDelta = 1 };

// Where a snapshot stands.
struct SnapshotPlace {
    std::uint64_t chain = 0;     // The owner's number of the full snapshot.
    std::uint64_t sequence = 0;  // 0 for the full one.
    std::uint32_t shard = 0;
    std::uint32_t shards = 1;
    bool operator==(const SnapshotPlace&) const = default;
};

// What the cells mean: another learner or schema cannot use them.
struct SnapshotSubject {
    const Learner& learner;
    std::uint64_t schema_hash = 0;  // FeatureCompiler::schema_hash()
};

// Saves the table; changes nothing in it but which lines the next delta will hold. The order log is
// saved, and left for the owner to clear.
// REQUIRES: kFull exactly if place.sequence == 0.
Status write_snapshot(Table& table, const SnapshotSubject& subject, SnapshotKind kind,
                      SnapshotPlace place, SnapshotSink& sink);

// Restores a full snapshot (`previous` absent) or a delta on top of the snapshot at `previous`.
// Returns its place. The next publish() fills the view; the next snapshot must be a full one.
Result<SnapshotPlace> restore_snapshot(Table& table, const SnapshotSubject& subject,
                                       std::optional<SnapshotPlace> previous,
                                       SnapshotSource& source);

}  // namespace millrace::ml
