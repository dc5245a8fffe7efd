#include "runtime/net/control_message.h"

#include "proto/control.pb.h"

namespace millrace::net {

Status send_message(ControlConnection& connection, const proto::ControlMessage& message) {
    const std::string payload = message.SerializeAsString();
    if (payload.size() > kControlPayloadBytesMax) {
        return fail(Code::kResourceExhausted,
                    "a control message of {} bytes is above the limit of {}", payload.size(),
                    kControlPayloadBytesMax);
    }
    return connection.send(kControlMessageType, payload);
}

Status decode_message(std::string_view payload, proto::ControlMessage& message) {
    if (!message.ParseFromArray(payload.data(), static_cast<int>(payload.size()))) {
        return fail(Code::kCorruption, "a control message of {} bytes is not readable",
                    payload.size());
    }
    return {};
}

}  // namespace millrace::net
