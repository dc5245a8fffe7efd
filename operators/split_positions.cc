#include "operators/split_positions.h"

#include <cstddef>
#include <cstring>

namespace millrace::operators {
namespace {

constexpr std::string_view kSection = "positions";
constexpr std::uint8_t kVersion = 1;
constexpr std::size_t kHeaderBytes = 1 + sizeof(std::uint32_t);
constexpr std::size_t kEntryBytes = sizeof(std::int32_t) + 2 * sizeof(std::int64_t);

template <class T>
void append(std::vector<std::byte>& bytes, T value) {
    const std::size_t at = bytes.size();
    bytes.resize(at + sizeof value);
    std::memcpy(bytes.data() + at, &value, sizeof value);
}

template <class T>
T take(std::span<const std::byte>& bytes) {
    T value{};
    std::memcpy(&value, bytes.data(), sizeof value);
    bytes = bytes.subspan(sizeof value);
    return value;
}

}  // namespace

Status write_positions(state::SnapshotWriter& writer, std::span<const SplitPosition> positions) {
    std::vector<std::byte> bytes;
    bytes.reserve(kHeaderBytes + positions.size() * kEntryBytes);
    append(bytes, kVersion);
    append(bytes, static_cast<std::uint32_t>(positions.size()));
    for (const SplitPosition& position : positions) {
        append(bytes, position.split);
        append(bytes, position.next_ordinal);
        append(bytes, position.next_byte);
    }
    return writer.write(kSection, bytes);
}

Result<std::vector<SplitPosition>> read_positions(state::SnapshotReader& reader) {
    MILLRACE_TRY_ASSIGN(std::span<const std::byte> bytes, reader.read(kSection));
    if (bytes.size() < kHeaderBytes)
        return fail(Code::kCorruption, "a source's positions are cut off; bytes: {}", bytes.size());
    if (const auto version = take<std::uint8_t>(bytes); version != kVersion)
        return fail(Code::kCorruption, "a source's positions have an unknown version: {}", version);
    const auto count = take<std::uint32_t>(bytes);
    if (count > kSplitsMax || bytes.size() != count * kEntryBytes)
        return fail(Code::kCorruption, "a source's positions are cut off; splits {}, bytes {}",
                    count, bytes.size());
    std::vector<SplitPosition> positions(count);
    for (SplitPosition& position : positions) {
        position.split = take<std::int32_t>(bytes);
        position.next_ordinal = take<std::int64_t>(bytes);
        position.next_byte = take<std::int64_t>(bytes);
    }
    return positions;
}

}  // namespace millrace::operators
