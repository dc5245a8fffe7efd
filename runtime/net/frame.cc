#include "runtime/net/frame.h"

#include <algorithm>
#include <cstring>

#include "runtime/base/check.h"
#include "runtime/base/crc32c.h"
#include "runtime/net/wire_bytes.h"

namespace millrace::net {
namespace {

constexpr std::uint32_t kMagic = 0x43524c4d;  // "MLRC" as it stands on the wire.
constexpr std::uint8_t kFrameVersion = 1;
constexpr std::size_t kChecksummedHeaderBytes = 12;
// A frame of this size is kept in memory between frames; a longer one's memory is given back.
constexpr std::size_t kKeptBytesMax = 64U << 10;

}  // namespace

std::optional<std::uint32_t> FrameRules::limit_of(std::uint16_t type) const {
    const auto it = std::ranges::find(rules_, type, &Rule::type);
    if (it == rules_.end()) return std::nullopt;
    return it->payload_bytes_max;
}

FrameHeaderBytes make_frame_header(std::uint16_t type,
                                   std::span<const std::span<const std::byte>> parts) {
    std::size_t payload_bytes = 0;
    for (const auto part : parts) payload_bytes += part.size();
    MILLRACE_CHECK_LE(payload_bytes, std::size_t{UINT32_MAX});
    FrameHeaderBytes header{};
    store_little_endian<std::uint32_t>(&header[0], kMagic);
    store_little_endian<std::uint8_t>(&header[4], kFrameVersion);
    store_little_endian<std::uint16_t>(&header[6], type);
    store_little_endian<std::uint32_t>(&header[8], static_cast<std::uint32_t>(payload_bytes));
    std::uint32_t checksum = begin_frame_checksum(header);
    for (const auto part : parts) checksum = crc32c(part, checksum);
    store_little_endian<std::uint32_t>(&header[12], checksum);
    return header;
}

FrameHeaderBytes make_frame_header(std::uint16_t type, std::span<const std::byte> payload) {
    return make_frame_header(type, std::span<const std::span<const std::byte>>(&payload, 1));
}

FrameResult<FrameHeader> parse_frame_header(std::span<const std::byte> bytes,
                                            const FrameRules& rules) {
    MILLRACE_CHECK_EQ(bytes.size(), kFrameHeaderBytes);
    const auto fault = [](WireFault kind, std::string text) {
        return std::unexpected(FrameFault{kind, std::move(text)});
    };
    const auto magic = load_little_endian<std::uint32_t>(&bytes[0]);
    if (magic != kMagic) {
        return fault(WireFault::kBadMagic,
                     fmt::format("not a Millrace frame: begins with {:08x}", magic));
    }
    const auto version = load_little_endian<std::uint8_t>(&bytes[4]);
    if (version != kFrameVersion || bytes[5] != std::byte{0}) {
        return fault(WireFault::kBadVersion,
                     fmt::format("frame version {} instead of {}", version, kFrameVersion));
    }
    const FrameHeader header{.type = load_little_endian<std::uint16_t>(&bytes[6]),
                             .payload_bytes = load_little_endian<std::uint32_t>(&bytes[8]),
                             .checksum = load_little_endian<std::uint32_t>(&bytes[12])};
    const auto limit = rules.limit_of(header.type);
    if (!limit) {
        return fault(WireFault::kUnknownType, fmt::format("unknown frame type {}", header.type));
    }
    if (header.payload_bytes > *limit) {
        return fault(WireFault::kTooLong,
                     fmt::format("frame of type {} is too long: {} bytes, at most {}", header.type,
                                 header.payload_bytes, *limit));
    }
    return header;
}

std::uint32_t begin_frame_checksum(std::span<const std::byte> header) {
    return crc32c(header.first(kChecksummedHeaderBytes));
}

FrameResult<void> FrameDecoder::feed(std::span<const std::byte> bytes, const OnFrame& on_frame) {
    while (!bytes.empty() && !is_stopped_ && !fault_) {
        // A frame that lies whole in what arrived is delivered from there.
        if (pending_.empty() && bytes.size() >= kFrameHeaderBytes) {
            if (auto taken = take_header(bytes.first(kFrameHeaderBytes)); !taken) return taken;
            const std::size_t frame_bytes = kFrameHeaderBytes + header_->payload_bytes;
            if (bytes.size() >= frame_bytes) {
                if (auto done = deliver(bytes.first(frame_bytes), on_frame); !done) return done;
                bytes = bytes.subspan(frame_bytes);
                continue;
            }
        }
        const std::size_t taken = std::min(bytes.size(), wanted_bytes());
        pending_.insert(pending_.end(), bytes.begin(),
                        bytes.begin() + static_cast<std::ptrdiff_t>(taken));
        bytes = bytes.subspan(taken);
        if (!header_ && pending_.size() == kFrameHeaderBytes) {
            if (auto read = take_header(pending_); !read) return read;
        }
        if (header_ && wanted_bytes() == 0) {
            if (auto done = deliver(pending_, on_frame); !done) return done;
            pending_.clear();
            if (pending_.capacity() > kKeptBytesMax) pending_.shrink_to_fit();
        }
    }
    if (fault_) return std::unexpected(*fault_);
    return {};
}

std::size_t FrameDecoder::wanted_bytes() const {
    const std::size_t whole = kFrameHeaderBytes + (header_ ? header_->payload_bytes : 0);
    return whole - pending_.size();
}

FrameResult<void> FrameDecoder::take_header(std::span<const std::byte> bytes) {
    auto header = parse_frame_header(bytes, rules_);
    if (!header) {
        fault_ = std::move(header).error();
        return std::unexpected(*fault_);
    }
    header_ = *header;
    return {};
}

FrameResult<void> FrameDecoder::deliver(std::span<const std::byte> frame, const OnFrame& on_frame) {
    const FrameHeader header = *header_;
    header_.reset();
    const auto payload = frame.subspan(kFrameHeaderBytes);
    if (crc32c(payload, begin_frame_checksum(frame)) != header.checksum) {
        fault_ = FrameFault{WireFault::kBadChecksum,
                            fmt::format("checksum of a frame of type {} with {} bytes is wrong",
                                        header.type, header.payload_bytes)};
        return std::unexpected(*fault_);
    }
    on_frame(header.type, payload);
    return {};
}

}  // namespace millrace::net
