// A snapshot in memory: written once, read once, damaged at will in between.

#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "ml/snapshot.h"

namespace millrace::ml {

class SnapshotBytes final : public SnapshotSink, public SnapshotSource {
  public:
    Status write(std::span<const std::byte> bytes) override {
        if (bytes_.size() + bytes.size() > limit_) {
            return fail(Code::kResourceExhausted, "disk full");
        }
        bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
        return {};
    }
    Status read(std::span<std::byte> bytes) override {
        if (bytes_.size() - at_ < bytes.size()) {
            return fail(Code::kCorruption, "snapshot ends after {} bytes", bytes_.size());
        }
        std::copy_n(bytes_.begin() + static_cast<std::ptrdiff_t>(at_), bytes.size(), bytes.begin());
        at_ += bytes.size();
        return {};
    }
    [[nodiscard]] std::vector<std::byte>& bytes() { return bytes_; }
    void limit(std::size_t bytes) { limit_ = bytes; }
    void rewind() { at_ = 0; }

  private:
    std::vector<std::byte> bytes_;
    std::size_t at_ = 0;
    std::size_t limit_ = SIZE_MAX;
};

}  // namespace millrace::ml
