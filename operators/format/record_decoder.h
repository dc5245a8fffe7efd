// Turns the bytes of records into rows: what a source calls for its `format` and `schema`.
//
// A source hands over many records at once and gets rows in a BatchBuilder. A record that cannot be
// read is reported and leaves no row; the records around it are not affected.
//
// Threads:    one.
// Ownership:  the records' bytes need to live for the call only.
// Limits:     the source has taken out records over `max_record_bytes`.
// Failure:    an Error is the task's (memory); a bad record is not an Error.

#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "runtime/base/status.h"
#include "runtime/data/batch.h"
#include "runtime/data/batch_builder.h"

namespace millrace::operators {

struct RawRecord {
    std::string_view payload;  // data() == nullptr: the record has no value at all.
    std::string_view key;      // data() == nullptr: none.
    data::Position position;
};

// Takes note of a record that cannot be used; the source knows which split it came from.
class BadRecords {
  public:
    virtual ~BadRecords() = default;
    // An Error means that the job's threshold is passed, or memory is short: return it.
    virtual Status on_bad_record(const RawRecord& record, std::string_view code,
                                 std::string_view message, std::string_view field) = 0;
};

class RecordDecoder {
  public:
    virtual ~RecordDecoder() = default;

    // The columns of the rows.
    [[nodiscard]] virtual const data::SchemaPtr& schema() const = 0;

    // Decodes records in order until all are done or `into` is full, and returns how many it took,
    // bad ones included. REQUIRES: into.has_begun() and !into.is_full().
    virtual Result<std::size_t> decode(std::span<const RawRecord> records, data::BatchBuilder& into,
                                       BadRecords& bad) = 0;
};

}  // namespace millrace::operators
