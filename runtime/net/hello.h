// The first frame on every connection, and the answer to it: who speaks, for which cluster, under
// which leader.
//
// The connecting side sends kHelloType; the other answers kHelloAcceptedType with a hello of its
// own, or kRefusedType with the reason, and closes. The protocol version stays the first field in
// all versions to come, so that two versions can always tell each other that they differ.
//
//   hello:   protocol version u16 | role u8 | leader epoch u64 | cluster text | process id text
//   refused: code text | message text
//
// Threads:    values.
// Limits:     kNameBytesMax for cluster and process id, kReasonBytesMax for a reason.
// Failure:    a Status: kCorruption for bytes that are no hello.

#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "runtime/base/ids.h"
#include "runtime/base/status.h"

namespace millrace::net {

inline constexpr std::uint16_t kProtocolVersion = 1;
inline constexpr std::size_t kNameBytesMax = 255;
inline constexpr std::size_t kReasonBytesMax = 4096;

inline constexpr std::uint16_t kHelloType = 1;
inline constexpr std::uint16_t kHelloAcceptedType = 2;
inline constexpr std::uint16_t kRefusedType = 3;
// The longest payload of these three.
inline constexpr std::uint32_t kHelloBytesMax = 8U << 10;

enum class Role : std::uint8_t { kJobManager = 1, kTaskManager = 2 };

struct Hello {
    std::uint16_t protocol_version = kProtocolVersion;
    Role role = Role::kTaskManager;
    LeaderEpoch leader_epoch{};  // The newest that this process knows; 0 for none.
    std::string cluster;
    std::string process_id;
};

// REQUIRES: cluster and process id within kNameBytesMax.
[[nodiscard]] std::vector<std::byte> encode_hello(const Hello& hello);
// Of another protocol version only the version is read. Errors: kCorruption.
Result<Hello> decode_hello(std::span<const std::byte> payload);

// Says whether `theirs` may talk with `ours`: same protocol version, same cluster.
// Errors: kInvalidArgument.
Status check_hello(const Hello& ours, const Hello& theirs);

// An error as it travels to a peer; a message beyond kReasonBytesMax is cut.
[[nodiscard]] std::vector<std::byte> encode_error(const Error& error);
// Errors: kCorruption.
Result<Error> decode_error(std::span<const std::byte> payload);

}  // namespace millrace::net
