// Base64 with the standard alphabet and padding (RFC 4648): how bytes columns stand in JSON.
//
// Threads:    any.
// Failure:    decoding refuses everything that encoding does not produce.

#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace millrace::operators {

[[nodiscard]] constexpr std::size_t base64_bytes(std::size_t bytes) { return (bytes + 2) / 3 * 4; }
// Writes base64_bytes(bytes.size()) characters.
void encode_base64(std::string_view bytes, char* to);
// Replaces `bytes`. False when `text` is not base64.
[[nodiscard]] bool decode_base64(std::string_view text, std::string& bytes);

}  // namespace millrace::operators
