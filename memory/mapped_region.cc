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

std::uintptr_t align_up(std::uintptr_t address, std::size_t alignment) {
    return (address + alignment - 1) / alignment * alignment;
}

// The whole 2 MiB pages of a range, advised.
void advise(std::span<std::byte> range, int advice) {
    const auto begin = reinterpret_cast<std::uintptr_t>(range.data());
    const std::uintptr_t first = align_up(begin, MappedRegion::kAlignment);
    const std::uintptr_t end =
        (begin + range.size()) / MappedRegion::kAlignment * MappedRegion::kAlignment;
    // A kernel without huge pages answers EINVAL, and small pages serve as well.
    if (first < end) ::madvise(reinterpret_cast<void*>(first), end - first, advice);
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
    const auto start = reinterpret_cast<std::uintptr_t>(mapped);
    const std::uintptr_t first = align_up(start, kAlignment);
    if (first > start) ::munmap(mapped, first - start);
    ::munmap(reinterpret_cast<void*>(first + length), start + padded - first - length);
    const std::span whole(reinterpret_cast<std::byte*>(first), length);
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
