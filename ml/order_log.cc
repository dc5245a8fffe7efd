#include "ml/order_log.h"

#include <limits>

#include "runtime/base/check.h"

namespace millrace::ml {
namespace {

void put32(std::byte* out, std::uint32_t value) {
    for (int i = 0; i < 4; ++i) out[i] = static_cast<std::byte>(value >> (8 * i));
}

std::uint32_t get32(const std::byte* in) {
    std::uint32_t value = 0;
    for (int i = 0; i < 4; ++i) value |= std::to_integer<std::uint32_t>(in[i]) << (8 * i);
    return value;
}

}  // namespace

bool OrderLog::append(std::uint32_t split, std::uint32_t count) {
    MILLRACE_CHECK_GT(count, 0U);
    if (size_ > 0) {
        OrderRun& last = memory_[size_ - 1];
        const std::uint32_t room = std::numeric_limits<std::uint32_t>::max() - last.count;
        if (last.split == split && last.count > 0 && count <= room) {
            last.count += count;
            return true;
        }
    }
    if (size_ == memory_.size()) return false;
    memory_[size_++] = {.split = split, .count = count};
    return true;
}

bool OrderLog::append_skip(std::uint32_t split) {
    if (size_ == memory_.size()) return false;
    memory_[size_++] = {.split = split, .count = 0};
    return true;
}

void OrderLog::serialize(std::span<std::byte> out) const {
    MILLRACE_CHECK_EQ(out.size(), serialized_bytes());
    for (std::size_t i = 0; i < size_; ++i) {
        put32(out.data() + i * 8, memory_[i].split);
        put32(out.data() + i * 8 + 4, memory_[i].count);
    }
}

Status OrderLog::deserialize(std::span<const std::byte> bytes) {
    if (bytes.size() % 8 != 0) {
        return fail(Code::kCorruption, "order log is not a whole number of runs: {} bytes",
                    bytes.size());
    }
    if (bytes.size() / 8 > memory_.size()) {
        return fail(Code::kResourceExhausted, "order log has {} runs, memory is for {}",
                    bytes.size() / 8, memory_.size());
    }
    size_ = bytes.size() / 8;
    for (std::size_t i = 0; i < size_; ++i) {
        memory_[i] = {.split = get32(bytes.data() + i * 8),
                      .count = get32(bytes.data() + i * 8 + 4)};
    }
    return {};
}

}  // namespace millrace::ml
