#include "memory/buffer_requirements.h"

#include <algorithm>

#include "runtime/base/check.h"

namespace millrace::memory {

BufferNeed& BufferNeed::operator+=(const BufferNeed& other) {
    required += other.required;
    target += other.target;
    return *this;
}

GateNeed need_of_gate(const BufferSettings& settings, Channels channels) {
    MILLRACE_CHECK_GE(settings.required_per_gate_max, 1U);
    GateNeed gate;
    if (channels.remote == 0) return gate;
    const std::uint64_t wanted = std::uint64_t{channels.remote} * settings.buffers_per_channel + 1;
    gate.need.required = std::min<std::uint64_t>(wanted, settings.required_per_gate_max);
    gate.exclusive_per_channel = static_cast<std::uint32_t>(std::min<std::uint64_t>(
        settings.buffers_per_channel, (gate.need.required - 1) / channels.remote));
    // A gate needs one buffer to move at all, even where no floating ones are configured.
    gate.need.target =
        std::max(gate.need.required, wanted - 1 + settings.floating_buffers_per_gate);
    const std::uint64_t exclusive = std::uint64_t{channels.remote} * gate.exclusive_per_channel;
    gate.floating_required = gate.need.required - exclusive;
    gate.floating_max = gate.need.target - exclusive;
    return gate;
}

BufferNeed need_of_partition(const BufferSettings& settings, Channels subpartitions) {
    if (subpartitions.remote == 0) return {};
    const std::uint64_t s = subpartitions.remote;
    const std::uint64_t required = s + 1;
    const std::uint64_t target =
        s * settings.buffers_per_channel + settings.floating_buffers_per_gate;
    return {required, std::max(required, target)};
}

}  // namespace millrace::memory
