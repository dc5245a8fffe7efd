// The frame: the unit of every Millrace connection, and its incremental decoder. Pure bytes.
//
// A frame is a header of 16 bytes and a payload; all numbers are little-endian:
//
//   magic "MLRC" | version u8 = 1 | zero u8 | type u16 | payload bytes u32 | crc32c u32 | payload
//
// The checksum covers the first 12 bytes of the header, then the payload. A receiver knows which
// types it takes and how long each may be; it looks at type and length before it allocates or
// waits for anything. A decoder that has met a fault stays at it: the connection is to be closed.
//
// Threads:    values; one owner.
// Limits:     a payload is at most its type's limit. The decoder's memory grows with the bytes
//             that arrived, never with the length that a peer claims.
// Failure:    a FrameFault, in words that can be logged.

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "runtime/base/status.h"
#include "runtime/net/wire_faults.h"

namespace millrace::net {

inline constexpr std::size_t kFrameHeaderBytes = 16;
// The longest payload of a control message.
inline constexpr std::uint32_t kControlPayloadBytesMax = 8U << 20;
// The largest network buffer that a data frame can carry.
inline constexpr std::uint32_t kDataBufferBytesMax = 64U << 10;

struct FrameHeader {
    std::uint16_t type = 0;
    std::uint32_t payload_bytes = 0;
    std::uint32_t checksum = 0;
};

struct FrameFault {
    WireFault kind;
    std::string text;

    // The fault as an error of Code::kCorruption.
    [[nodiscard]] Error to_error() const { return {Code::kCorruption, text}; }
};

template <class T>
using FrameResult = std::expected<T, FrameFault>;

// The frame types that a port takes, and the longest payload of each.
class FrameRules {
  public:
    struct Rule {
        std::uint16_t type;
        std::uint32_t payload_bytes_max;
    };

    FrameRules(std::initializer_list<Rule> rules) : rules_(rules) {}

    void add(Rule rule) { rules_.push_back(rule); }
    // The longest payload of `type`; nullopt for a type that is not taken.
    [[nodiscard]] std::optional<std::uint32_t> limit_of(std::uint16_t type) const;

  private:
    std::vector<Rule> rules_;  // A handful: looked through in order.
};

using FrameHeaderBytes = std::array<std::byte, kFrameHeaderBytes>;

// Makes the header of a frame whose payload is the concatenation of `parts`.
// REQUIRES: their sum fits 32 bits.
[[nodiscard]] FrameHeaderBytes make_frame_header(std::uint16_t type,
                                                 std::span<const std::span<const std::byte>> parts);
// The same for a payload in one piece.
[[nodiscard]] FrameHeaderBytes make_frame_header(std::uint16_t type,
                                                 std::span<const std::byte> payload);

// Reads a header and checks everything about it but the checksum.
// REQUIRES: bytes.size() == kFrameHeaderBytes.
FrameResult<FrameHeader> parse_frame_header(std::span<const std::byte> bytes,
                                            const FrameRules& rules);
// The checksum of a header's first 12 bytes, to be continued with crc32c() over the payload.
[[nodiscard]] std::uint32_t begin_frame_checksum(std::span<const std::byte> header);

// Cuts a byte stream into frames.
class FrameDecoder {
  public:
    using OnFrame = std::function<void(std::uint16_t type, std::span<const std::byte> payload)>;

    // `rules` must outlive the decoder.
    explicit FrameDecoder(const FrameRules& rules) : rules_(rules) {}

    // Takes the next bytes and calls `on_frame` for each frame that they complete; the payload is
    // valid during the call. `on_frame` may stop() the decoder.
    FrameResult<void> feed(std::span<const std::byte> bytes, const OnFrame& on_frame);
    // Ignores all further bytes, also the rest of those being fed.
    void stop() { is_stopped_ = true; }
    // True between two frames: the peer may close the stream here without cutting one.
    [[nodiscard]] bool is_at_boundary() const { return pending_.empty(); }
    // Bytes of memory held.
    [[nodiscard]] std::size_t capacity() const { return pending_.capacity(); }

  private:
    FrameResult<void> deliver(std::span<const std::byte> frame, const OnFrame& on_frame);
    [[nodiscard]] std::size_t wanted_bytes() const;
    FrameResult<void> take_header(std::span<const std::byte> bytes);

    const FrameRules& rules_;
    std::vector<std::byte> pending_;     // The frame that is not complete yet.
    std::optional<FrameHeader> header_;  // Its header, once that is complete.
    std::optional<FrameFault> fault_;
    bool is_stopped_ = false;
};

}  // namespace millrace::net
