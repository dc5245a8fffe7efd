// Where an operator writes its state at a cut, and reads it back from.
//
// A snapshot is a list of named sections of bytes. The writer decides where they go (memory in
// tests, files of a checkpoint later); the operator only knows names and bytes. A section's first
// byte is a format version of the operator's own.
//
// Threads:    the thread that steps the operator's task.
// Ownership:  neither side keeps the spans beyond the call.
// Limits:     kSectionBytesMax a section; names match [a-z][a-z0-9_.]*.
// Failure:    a Status; an operator passes it on and the checkpoint fails, not the job.

#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "runtime/base/status.h"

namespace millrace::state {

inline constexpr std::size_t kSectionBytesMax = std::size_t{16} << 30;

class SnapshotWriter {
  public:
    virtual ~SnapshotWriter() = default;
    // Appends `bytes` to the section `name`; sections may be written in several calls.
    virtual Status write(std::string_view name, std::span<const std::byte> bytes) = 0;
};

class SnapshotReader {
  public:
    virtual ~SnapshotReader() = default;
    // The whole section, valid until the reader is destroyed. Errors: kNotFound.
    virtual Result<std::span<const std::byte>> read(std::string_view name) = 0;
};

}  // namespace millrace::state
