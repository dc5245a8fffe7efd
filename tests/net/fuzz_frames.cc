#include "tests/net/fuzz_frames.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "runtime/base/check.h"
#include "runtime/net/data_frames.h"
#include "runtime/net/frame.h"
#include "runtime/net/hello.h"

namespace millrace::net {
namespace {

const FrameRules kRules{{kHelloType, kHelloBytesMax},
                        {kRefusedType, kHelloBytesMax},
                        {16, kControlPayloadBytesMax},
                        {17, kLeadBytes + kDataBufferBytesMax}};

struct Outcome {
    std::vector<std::pair<std::uint16_t, std::vector<std::byte>>> frames;
    bool is_fault = false;

    bool operator==(const Outcome&) const = default;
};

Outcome decode(std::span<const std::byte> bytes, std::size_t piece_bytes) {
    Outcome outcome;
    FrameDecoder decoder(kRules);
    std::size_t fed_bytes = 0;
    while (fed_bytes < bytes.size() && !outcome.is_fault) {
        const std::size_t taken = std::min(piece_bytes, bytes.size() - fed_bytes);
        const auto fed =
            decoder.feed(bytes.subspan(fed_bytes, taken), [&](std::uint16_t type, auto payload) {
                outcome.frames.emplace_back(type,
                                            std::vector<std::byte>(payload.begin(), payload.end()));
            });
        fed_bytes += taken;
        outcome.is_fault = !fed;
        MILLRACE_CHECK_LE(decoder.capacity(), 4 * fed_bytes + (64U << 10));
    }
    return outcome;
}

void parse_payload(std::uint16_t type, const std::vector<std::byte>& payload) {
    const auto header = make_frame_header(type, payload);
    MILLRACE_CHECK(parse_frame_header(header, kRules).has_value());
    if (const auto hello = decode_hello(payload);
        hello && hello->protocol_version == kProtocolVersion) {
        MILLRACE_CHECK(encode_hello(*hello) == payload);
    }
    if (const auto open = decode_open(payload)) MILLRACE_CHECK(encode_open(*open) == payload);
    (void)decode_error(payload);
}

}  // namespace

void fuzz_frames(std::span<const std::byte> bytes) {
    const Outcome whole = decode(bytes, SIZE_MAX);
    MILLRACE_CHECK(decode(bytes, 1) == whole);
    MILLRACE_CHECK(decode(bytes, 17) == whole);
    for (const auto& [type, payload] : whole.frames) parse_payload(type, payload);
    // Few random bytes are a frame; so the parsers also get them as a payload.
    if (bytes.size() <= kHelloBytesMax) {
        parse_payload(kHelloType, {bytes.begin(), bytes.end()});
    }
}

}  // namespace millrace::net
