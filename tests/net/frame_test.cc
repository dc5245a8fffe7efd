#include "runtime/net/frame.h"

#include <string>

#include <catch2/catch.hpp>

#include "tests/net/net_world.h"

namespace millrace::net {
namespace {

const FrameRules kRules{{16, 1000}, {17, 0}, {18, kControlPayloadBytesMax}};

std::vector<std::byte> frame(std::uint16_t type, std::string_view payload) {
    const auto body = to_bytes(payload);
    const FrameHeaderBytes header = make_frame_header(type, body);
    std::vector<std::byte> whole(header.begin(), header.end());
    whole.insert(whole.end(), body.begin(), body.end());
    return whole;
}

// Feeds a decoder in pieces and keeps what came out.
struct Reader {
    FrameDecoder decoder{kRules};
    std::vector<std::pair<std::uint16_t, std::string>> frames;

    FrameResult<void> feed(std::span<const std::byte> bytes, std::size_t piece_bytes = SIZE_MAX) {
        while (!bytes.empty()) {
            const std::size_t taken = std::min(piece_bytes, bytes.size());
            auto fed = decoder.feed(bytes.first(taken), [this](std::uint16_t type, auto payload) {
                frames.emplace_back(type, to_text(payload));
            });
            if (!fed) return fed;
            bytes = bytes.subspan(taken);
        }
        return {};
    }
};

std::string hex(std::span<const std::byte> bytes) {
    std::string text;
    for (const std::byte b : bytes) text += fmt::format("{:02x}", static_cast<unsigned>(b));
    return text;
}

// From the format's description, written down independently in Python.
TEST_CASE("A frame has the documented bytes", "[net][frame]") {
    REQUIRE(hex(frame(16, "hello")) == "4d4c524301001000050000006aac1eb768656c6c6f");
    REQUIRE(hex(frame(17, "")) == "4d4c524301001100000000007ea30b31");
}

TEST_CASE("FrameDecoder finds frames however the stream is cut", "[net][frame]") {
    auto stream = frame(16, "hello");
    for (const auto& more : {frame(17, ""), frame(16, std::string(1000, 'x')), frame(16, "z")}) {
        stream.insert(stream.end(), more.begin(), more.end());
    }
    const auto piece_bytes = GENERATE(1U, 2U, 15U, 16U, 17U, 21U, 37U, 1000U, 5000U);
    CAPTURE(piece_bytes);
    Reader reader;
    REQUIRE(reader.feed(stream, piece_bytes));
    REQUIRE(reader.decoder.is_at_boundary());
    REQUIRE(reader.frames.size() == 4);
    REQUIRE(reader.frames[0] == std::pair<std::uint16_t, std::string>(16, "hello"));
    REQUIRE(reader.frames[1].first == 17);
    REQUIRE(reader.frames[2].second == std::string(1000, 'x'));
    REQUIRE(reader.frames[3].second == "z");
}

TEST_CASE("FrameDecoder waits for the rest of a truncated frame", "[net][frame]") {
    const auto whole = frame(16, "hello");
    for (std::size_t bytes = 1; bytes < whole.size(); ++bytes) {
        Reader reader;
        CAPTURE(bytes);
        REQUIRE(reader.feed(std::span(whole).first(bytes)));
        REQUIRE(reader.frames.empty());
        REQUIRE_FALSE(reader.decoder.is_at_boundary());
    }
}

TEST_CASE("FrameDecoder delivers no frame with a flipped bit", "[net][frame]") {
    const auto whole = frame(16, "hello");
    for (std::size_t bit = 0; bit < whole.size() * 8; ++bit) {
        auto damaged = whole;
        damaged[bit / 8] ^= std::byte{1} << (bit % 8);
        // What follows lets a longer claimed length be filled up.
        const auto filler = frame(16, std::string(900, 'f'));
        damaged.insert(damaged.end(), filler.begin(), filler.end());
        Reader reader;
        CAPTURE(bit);
        REQUIRE_FALSE(reader.feed(damaged, 7));
        REQUIRE(reader.frames.empty());
    }
}

struct Damage {
    std::size_t at;
    std::uint8_t value;
    WireFault expected;
};

TEST_CASE("FrameDecoder names what is wrong with a header", "[net][frame]") {
    const auto damage =
        GENERATE(Damage{0, 'X', WireFault::kBadMagic}, Damage{4, 2, WireFault::kBadVersion},
                 Damage{5, 1, WireFault::kBadVersion}, Damage{6, 99, WireFault::kUnknownType},
                 Damage{10, 1, WireFault::kTooLong}, Damage{12, 0, WireFault::kBadChecksum},
                 Damage{16, 'H', WireFault::kBadChecksum});
    auto damaged = frame(16, "hello");
    damaged[damage.at] = std::byte{damage.value};
    Reader reader;
    const auto fed = reader.feed(damaged);
    REQUIRE_FALSE(fed);
    REQUIRE(fed.error().kind == damage.expected);
    REQUIRE(fed.error().to_error().code == Code::kCorruption);
}

TEST_CASE("FrameDecoder takes a frame at its limit and none beyond", "[net][frame]") {
    Reader reader;
    REQUIRE(reader.feed(frame(16, std::string(1000, 'x'))));
    REQUIRE(reader.frames.size() == 1);
    const auto fed = reader.feed(frame(16, std::string(1001, 'x')));
    REQUIRE(fed.error().kind == WireFault::kTooLong);
}

TEST_CASE("FrameDecoder does not believe a length before the bytes are there", "[net][frame]") {
    const auto whole = frame(18, std::string(kControlPayloadBytesMax, 'x'));
    Reader reader;
    const std::size_t sent = 3000;
    REQUIRE(reader.feed(std::span(whole).first(sent), 100));
    REQUIRE(reader.decoder.capacity() <= 4 * sent);
    REQUIRE(reader.feed(std::span(whole).subspan(sent), 65'536));
    REQUIRE(reader.frames.size() == 1);
    REQUIRE(reader.decoder.capacity() <= 128U << 10);
}

TEST_CASE("FrameDecoder stays at its first fault", "[net][frame]") {
    Reader reader;
    REQUIRE_FALSE(reader.feed(to_bytes("GET / HTTP/1.1\r\n\r\n")));
    REQUIRE_FALSE(reader.feed(frame(16, "hello")));
    REQUIRE(reader.frames.empty());
}

TEST_CASE("FrameDecoder delivers nothing after stop", "[net][frame]") {
    FrameDecoder decoder(kRules);
    auto stream = frame(17, "");
    stream.insert(stream.end(), stream.begin(), stream.begin() + 16);
    int frames = 0;
    REQUIRE(decoder.feed(stream, [&](std::uint16_t, std::span<const std::byte>) {
        ++frames;
        decoder.stop();
    }));
    REQUIRE(frames == 1);
}

}  // namespace
}  // namespace millrace::net
