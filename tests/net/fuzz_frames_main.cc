// libFuzzer's way in: built by clang with -fsanitize=fuzzer; see tests/net/CMakeLists.txt.
#include "tests/net/fuzz_frames.h"

// NOLINTNEXTLINE(readability-identifier-naming): the name is libFuzzer's.
extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    millrace::net::fuzz_frames(std::as_bytes(std::span(data, size)));
    return 0;
}
