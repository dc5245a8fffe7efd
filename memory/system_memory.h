// What the operating system says about this process's memory: the cgroup's limit and the resident
// size.
//
// Threads:    any.
// Ownership:  borrows a SystemFiles for the length of a call.
// Limits:     a file is read up to SystemFiles::kFileBytesMax.
// Failure:    a file that is missing or unreadable means "not known" (nullopt), never an error.

#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

namespace millrace::memory {

// The files under /proc and /sys; by interface, so that a test can say what they hold.
class SystemFiles {
  public:
    static constexpr std::size_t kFileBytesMax = 64 << 10;

    virtual ~SystemFiles() = default;
    [[nodiscard]] virtual std::optional<std::string> read(const std::string& path) const;
};

// The smallest memory limit of this process's cgroup and those above it, version 2 or 1; nullopt
// when there is none.
[[nodiscard]] std::optional<std::uint64_t> cgroup_limit_bytes(const SystemFiles& files);
// Bytes of RAM that the machine has.
[[nodiscard]] std::optional<std::uint64_t> physical_bytes();
// Bytes of this process in RAM.
[[nodiscard]] std::optional<std::uint64_t> resident_bytes(const SystemFiles& files);

}  // namespace millrace::memory
