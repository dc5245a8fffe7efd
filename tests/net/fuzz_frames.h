// What must hold for any bytes on a Millrace port. Called by the fuzzer with bytes of its own
// making, and by the ordinary cases with the kept corpus.

#pragma once

#include <cstddef>
#include <span>

namespace millrace::net {

// Feeds `bytes` to the frame decoder whole and in pieces, and to every payload parser. Aborts when
// the two ways disagree, when the decoder's memory outgrows its input, or when what was read does
// not encode to the same bytes again.
void fuzz_frames(std::span<const std::byte> bytes);

}  // namespace millrace::net
