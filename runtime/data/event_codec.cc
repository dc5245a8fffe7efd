#include <cstring>
#include <type_traits>

#include "runtime/base/check.h"
#include "runtime/data/codec.h"

namespace millrace::data {
namespace {

constexpr std::uint8_t kEventVersion = 2;

enum class EventKind : std::uint8_t { kWatermark = 1, kCheckpointBarrier = 2, kEndOfInput = 3 };

template <class T>
void append(EventBytes& event, T value) {
    std::memcpy(event.bytes.data() + event.size, &value, sizeof value);
    event.size += sizeof value;
}

template <class T>
T take(std::span<const std::byte>& bytes) {
    T value{};
    std::memcpy(&value, bytes.data(), sizeof value);
    bytes = bytes.subspan(sizeof value);
    return value;
}

}  // namespace

EventBytes encode_event(const Element& element) {
    EventBytes event;
    append(event, kEventVersion);
    if (const auto* const watermark = std::get_if<Watermark>(&element)) {
        append(event, EventKind::kWatermark);
        append(event, watermark->event_time_ms);
        append(event, static_cast<std::uint8_t>(watermark->is_idle));
    } else if (const auto* const barrier = std::get_if<CheckpointBarrier>(&element)) {
        append(event, EventKind::kCheckpointBarrier);
        append(event, barrier->checkpoint_id);
        append(event, barrier->triggered_at_ms);
    } else {
        MILLRACE_CHECK(std::holds_alternative<EndOfInput>(element));
        append(event, EventKind::kEndOfInput);
    }
    return event;
}

Result<Element> decode_event(std::span<const std::byte> bytes) {
    if (bytes.size() >= 2 && take<std::uint8_t>(bytes) == kEventVersion) {
        const auto kind = take<EventKind>(bytes);
        if (kind == EventKind::kWatermark && bytes.size() == 9 && bytes[8] <= std::byte{1}) {
            const auto event_time_ms = take<std::int64_t>(bytes);
            return Watermark{event_time_ms, take<std::uint8_t>(bytes) == 1};
        }
        if (kind == EventKind::kCheckpointBarrier && bytes.size() == 16) {
            const auto id = take<std::uint64_t>(bytes);
            return CheckpointBarrier{id, take<std::int64_t>(bytes)};
        }
        if (kind == EventKind::kEndOfInput && bytes.empty()) {
            return EndOfInput{};
        }
    }
    return fail(Code::kCorruption, "an event from another TaskManager is damaged");
}

}  // namespace millrace::data
