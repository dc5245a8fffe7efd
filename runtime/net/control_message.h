// Protobuf control messages over a ControlConnection.
//
// Threads:    the loop's of the connection.
// Failure:    decode answers kCorruption; send what ControlConnection::send() answers.

#pragma once

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

[[nodiscard]] inline std::vector<FrameRules::Rule> control_message_rules() {
    return {{kControlMessageType, kControlPayloadBytesMax}};
}

// Errors: kResourceExhausted for a message above the frame limit, else as
// ControlConnection::send().
Status send_message(ControlConnection& connection, const proto::ControlMessage& message);
Status decode_message(std::string_view payload, proto::ControlMessage& message);

}  // namespace millrace::net
