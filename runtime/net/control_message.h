// Protobuf control messages over a ControlConnection.
//
// Threads:    the loop's of the connection.
// Failure:    decode answers kCorruption; send what ControlConnection::send() answers.

#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/status.h"
#include "runtime/net/control_channel.h"

namespace millrace::proto {
class ControlMessage;
}

namespace millrace::net {

// The one message type that JobManager and TaskManagers exchange.
inline constexpr std::uint16_t kControlMessageType = kMessageTypeFirst;

// What a message may hold: the envelope around it takes a tag and a length.
inline constexpr std::size_t kControlContentBytesMax = kControlPayloadBytesMax - 16;

[[nodiscard]] inline std::vector<FrameRules::Rule> control_message_rules() {
    return {{kControlMessageType, kControlPayloadBytesMax}};
}

// `text` as a message can carry it: whoever receives a message with a text that is not UTF-8 hangs
// up, and errors quote what came from outside. Bytes that are not UTF-8 become U+FFFD.
[[nodiscard]] std::string message_text(std::string_view text);

// Errors: kResourceExhausted for a message above the frame limit, else as
// ControlConnection::send().
Status send_message(ControlConnection& connection, const proto::ControlMessage& message);
// The same for what the other side cannot do without: a connection that cannot take the message is
// closed, with the reason, so that on_closed and the peer hear of it.
void send_or_close(ControlConnection& connection, const proto::ControlMessage& message);
Status decode_message(std::string_view payload, proto::ControlMessage& message);

}  // namespace millrace::net
