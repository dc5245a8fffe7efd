#include "tests/net/fuzz_frames.h"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include <catch2/catch.hpp>

#include "runtime/base/random.h"
#include "runtime/net/frame.h"
#include "runtime/net/hello.h"
#include "tests/net/net_world.h"

namespace millrace::net {
namespace {

TEST_CASE("The kept corpus of frames breaks nothing", "[net][frame][fuzz]") {
    const std::filesystem::path folder =
        std::filesystem::path(MILLRACE_SOURCE_DIR) / "tests/net/corpus/frames";
    int files = 0;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
        std::ifstream file(entry.path(), std::ios::binary);
        const std::string text{std::istreambuf_iterator<char>(file), {}};
        CAPTURE(entry.path().string());
        fuzz_frames(to_bytes(text));
        ++files;
    }
    REQUIRE(files >= 8);
}

TEST_CASE("Damaged frames break nothing", "[net][frame][fuzz]") {
    const auto seed = GENERATE(1U, 2U, 3U);
    CAPTURE(seed);
    Random random(seed);
    const Hello hello{.cluster = "mill", .process_id = "tm-1"};
    for (int i = 0; i < 3000; ++i) {
        std::vector<std::byte> stream;
        for (std::uint64_t frames = 1 + random.below(3); frames > 0; --frames) {
            const auto payload = encode_hello(hello);
            const auto header = make_frame_header(kHelloType, payload);
            stream.insert(stream.end(), header.begin(), header.end());
            stream.insert(stream.end(), payload.begin(), payload.end());
        }
        for (std::uint64_t flips = random.below(4); flips > 0; --flips) {
            stream[random.below(stream.size())] = static_cast<std::byte>(random.next());
        }
        stream.resize(random.below(stream.size() + 1));
        fuzz_frames(stream);
    }
}

}  // namespace
}  // namespace millrace::net
