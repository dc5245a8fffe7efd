// The frames of the data port, between two TaskManagers (grammar and example: README.md).
//
// After the hellos of hello.h, every payload begins with a lead of 12 bytes: the channel's number
// on this connection and two more numbers. The sender counts its channels from 0.
//
//   type       from      lead                        then
//   kOpen      sender    channel, 0, 0               epoch u64, job u64 u64, attempt u32, id u64
//   kBuffer    sender    channel, sequence, backlog  1 to 65,536 bytes of one network buffer
//   kEvent     sender    channel, sequence, 0        1 to 4,096 bytes
//   kBacklog   sender    channel, backlog, 0         -
//   kClosed    sender    channel, 0, 0               reason (encode_error)
//   kCredit    receiver  channel, buffers, events    -
//   kRejected  receiver  channel, 0, 0               reason (encode_error)
//
// Threads:    values.
// Failure:    a Status: kCorruption.

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "runtime/base/ids.h"
#include "runtime/base/status.h"
#include "runtime/net/data_channel.h"
#include "runtime/net/frame.h"

namespace millrace::net {

inline constexpr std::uint16_t kOpenType = 16;
inline constexpr std::uint16_t kBufferType = 17;
inline constexpr std::uint16_t kEventType = 18;
inline constexpr std::uint16_t kClosedType = 19;
inline constexpr std::uint16_t kCreditType = 20;
inline constexpr std::uint16_t kRejectedType = 21;
inline constexpr std::uint16_t kBacklogType = 22;

inline constexpr std::uint32_t kLeadBytes = 12;
// Frame header and lead: what is read before it is known where the rest goes.
inline constexpr std::size_t kDataHeadBytes = kFrameHeaderBytes + kLeadBytes;

struct DataLead {
    std::uint32_t channel = 0;
    std::uint32_t first = 0;
    std::uint32_t second = 0;
};

using DataHeadBytes = std::array<std::byte, kDataHeadBytes>;

// What each side takes.
[[nodiscard]] const FrameRules& rules_of_receiver();
[[nodiscard]] const FrameRules& rules_of_sender();

[[nodiscard]] DataHeadBytes make_data_head(std::uint16_t type, const DataLead& lead,
                                           std::span<const std::byte> body);
// REQUIRES: bytes.size() == kLeadBytes.
[[nodiscard]] DataLead parse_lead(std::span<const std::byte> bytes);

struct ChannelOpen {
    LeaderEpoch epoch{};
    ChannelKey key;
};

[[nodiscard]] std::vector<std::byte> encode_open(const ChannelOpen& open);
// Errors: kCorruption.
Result<ChannelOpen> decode_open(std::span<const std::byte> body);

}  // namespace millrace::net
