// A snapshot in ordinary memory: what tests and the contract suite write to and restore from.
//
// Threads:    one at a time.
// Ownership:  owns the sections; spans that read() gave stay valid until the next write().
// Limits:     kSectionBytesMax a section.
// Failure:    kInvalidArgument for a name that is none, kResourceExhausted over the limit,
//             kNotFound.

#pragma once

#include <cstddef>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/status.h"
#include "runtime/state/snapshot.h"

namespace millrace::state {

// True for [a-z][a-z0-9_.]*, which every section's name must be.
[[nodiscard]] bool is_section_name(std::string_view name);

class MemorySnapshot final : public SnapshotWriter, public SnapshotReader {
  public:
    explicit MemorySnapshot(std::size_t section_bytes_max = kSectionBytesMax)
        : section_bytes_max_(section_bytes_max) {}

    Status write(std::string_view name, std::span<const std::byte> bytes) override;
    Result<std::span<const std::byte>> read(std::string_view name) override;

    // All sections by name, for comparing two snapshots.
    [[nodiscard]] const std::map<std::string, std::vector<std::byte>, std::less<>>& sections()
        const {
        return sections_;
    }

  private:
    const std::size_t section_bytes_max_;
    std::map<std::string, std::vector<std::byte>, std::less<>> sections_;
};

}  // namespace millrace::state
