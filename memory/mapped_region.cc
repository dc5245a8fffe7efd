#include "memory/mapped_region.h"

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <utility>

#include <sys/mman.h>

#include "memory/byte_size.h"
#include "runtime/base/check.h"

namespace millrace::memory {
namespace {

constexpr std::size_t kPage = 4096;

std::size_t align_up(std::size_t bytes, std::size_t alignment) {
    return (bytes + alignment - 1) / alignment * alignment;
}

// Bytes from `address` up to the next 2 MiB boundary; 0 when it lies on one.
std::size_t gap_before_boundary(const std::byte* address) {
    const auto value = reinterpret_cast<std::uintptr_t>(address);
    return align_up(value, MappedRegion::kAlignment) - value;
}

// The whole 2 MiB pages of a range, advised.
void advise(std::span<std::byte> range, int advice) {
    const std::size_t gap = gap_before_boundary(range.data());
    if (gap >= range.size()) return;
    const std::size_t whole =
        (range.size() - gap) / MappedRegion::kAlignment * MappedRegion::kAlignment;
    // A kernel without huge pages answers EINVAL, and small pages serve as well.
    if (whole != 0) ::madvise(range.data() + gap, whole, advice);
}

}  // namespace

Result<MappedRegion> MappedRegion::map(std::string_view name, std::size_t bytes,
                                       Prefault prefault) {
    MILLRACE_CHECK_GT(bytes, 0U);
    const std::size_t length = align_up(bytes, kPage);
    const std::size_t padded = length + kAlignment;
    void* mapped = ::mmap(nullptr, padded, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mapped == MAP_FAILED) {
        return fail(Code::kResourceExhausted,
                    "the operating system refused to map a memory region: {}, {}: {}. Hint: lower "
                    "taskmanager.memory.process.size, or raise the address space limit (ulimit -v) "
                    "or vm.overcommit_memory.",
                    name, format_bytes(bytes), std::strerror(errno));
    }
    auto* const start = static_cast<std::byte*>(mapped);
    const std::size_t gap = gap_before_boundary(start);
    if (gap != 0) ::munmap(start, gap);
    ::munmap(start + gap + length, padded - gap - length);
    const std::span whole(start + gap, length);
    ::madvise(whole.data(), length, MADV_NOHUGEPAGE);
    if (prefault == Prefault::kYes) {
        for (std::size_t i = 0; i < length; i += kPage) {
            *static_cast<volatile std::byte*>(whole.data() + i) = std::byte{0};
        }
    }
    return MappedRegion(whole.first(bytes));
}

MappedRegion::MappedRegion(MappedRegion&& other) noexcept
    : bytes_(std::exchange(other.bytes_, {})) {}

MappedRegion::~MappedRegion() {
    if (!bytes_.empty()) ::munmap(bytes_.data(), align_up(bytes_.size(), kPage));
}

void MappedRegion::prefer_huge(std::size_t offset, std::size_t count) const {
    advise(bytes(offset, count), MADV_HUGEPAGE);
}

void MappedRegion::prefer_small(std::size_t offset, std::size_t count) const {
    advise(bytes(offset, count), MADV_NOHUGEPAGE);
}

}  // namespace millrace::memory
