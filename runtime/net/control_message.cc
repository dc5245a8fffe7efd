#include "runtime/net/control_message.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "proto/control.pb.h"

namespace millrace::net {
namespace {

// What a lead byte asks for: how many bytes, and in which range the second one is.
struct Sequence {
    std::size_t bytes = 0;
    unsigned char second_min = 0x80;
    unsigned char second_max = 0xbf;
};

// The table of well-formed sequences of the Unicode standard (3-7).
Sequence sequence_after(unsigned char lead) {
    if (lead < 0x80) return {.bytes = 1};
    if (lead < 0xc2 || lead > 0xf4) return {};
    if (lead < 0xe0) return {.bytes = 2};
    if (lead == 0xe0) return {.bytes = 3, .second_min = 0xa0};
    if (lead == 0xed) return {.bytes = 3, .second_max = 0x9f};
    if (lead < 0xf0) return {.bytes = 3};
    if (lead == 0xf0) return {.bytes = 4, .second_min = 0x90};
    if (lead == 0xf4) return {.bytes = 4, .second_max = 0x8f};
    return {.bytes = 4};
}

// The length of the sequence that begins `text`; 0 when none does. REQUIRES: not empty.
std::size_t sequence_bytes(std::string_view text) {
    const auto at = [text](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const Sequence wanted = sequence_after(at(0));
    if (text.size() < wanted.bytes) return 0;
    for (std::size_t i = 1; i < wanted.bytes; ++i) {
        const unsigned char least = i == 1 ? wanted.second_min : 0x80;
        const unsigned char most = i == 1 ? wanted.second_max : 0xbf;
        if (at(i) < least || at(i) > most) return 0;
    }
    return wanted.bytes;
}

}  // namespace

std::string message_text(std::string_view text) {
    std::string valid;
    valid.reserve(text.size());
    while (!text.empty()) {
        const std::size_t bytes = sequence_bytes(text);
        valid += bytes == 0 ? "\xef\xbf\xbd" : text.substr(0, bytes);
        text.remove_prefix(std::max<std::size_t>(bytes, 1));
    }
    return valid;
}

Status send_message(ControlConnection& connection, const proto::ControlMessage& message) {
    const std::string payload = message.SerializeAsString();
    if (payload.size() > kControlPayloadBytesMax) {
        return fail(Code::kResourceExhausted,
                    "a control message of {} bytes is above the limit of {}", payload.size(),
                    kControlPayloadBytesMax);
    }
    return connection.send(kControlMessageType, payload);
}

void send_or_close(ControlConnection& connection, const proto::ControlMessage& message) {
    // Closing a connection that is closed already changes nothing.
    if (Status sent = send_message(connection, message); !sent)
        connection.close(std::move(sent).error());
}

Status decode_message(std::string_view payload, proto::ControlMessage& message) {
    if (!message.ParseFromArray(payload.data(), static_cast<int>(payload.size()))) {
        return fail(Code::kCorruption, "a control message of {} bytes is not readable",
                    payload.size());
    }
    return {};
}

}  // namespace millrace::net
