#include "runtime/net/hello.h"

#include <optional>
#include <string_view>
#include <utility>

#include "runtime/base/check.h"
#include "runtime/net/wire_bytes.h"

namespace millrace::net {
namespace {

constexpr std::size_t kCodeBytesMax = 64;

std::optional<Code> code_of(std::string_view name) {
    for (int i = 0; i <= static_cast<int>(Code::kInternal); ++i) {
        if (to_string(static_cast<Code>(i)) == name) return static_cast<Code>(i);
    }
    return std::nullopt;
}

}  // namespace

std::vector<std::byte> encode_hello(const Hello& hello) {
    MILLRACE_CHECK_LE(hello.cluster.size(), kNameBytesMax);
    MILLRACE_CHECK_LE(hello.process_id.size(), kNameBytesMax);
    WireWriter writer;
    writer.number(hello.protocol_version);
    writer.number(std::to_underlying(hello.role));
    writer.number(std::to_underlying(hello.leader_epoch));
    writer.text(hello.cluster);
    writer.text(hello.process_id);
    return std::move(writer).take();
}

Result<Hello> decode_hello(std::span<const std::byte> payload) {
    WireReader reader(payload);
    Hello hello;
    hello.protocol_version = reader.number<std::uint16_t>();
    if (reader.is_good() && hello.protocol_version != kProtocolVersion) return hello;
    const auto role = reader.number<std::uint8_t>();
    hello.role = static_cast<Role>(role);
    hello.leader_epoch = LeaderEpoch{reader.number<std::uint64_t>()};
    hello.cluster = reader.text(kNameBytesMax);
    hello.process_id = reader.text(kNameBytesMax);
    if (!reader.is_complete()) {
        return fail(Code::kCorruption, "hello of {} bytes is cut or too long", payload.size());
    }
    if (hello.role != Role::kJobManager && hello.role != Role::kTaskManager) {
        return fail(Code::kCorruption, "hello with unknown role {}", role);
    }
    return hello;
}

Status check_hello(const Hello& ours, const Hello& theirs) {
    if (theirs.protocol_version != ours.protocol_version) {
        return fail(Code::kInvalidArgument,
                    "protocol versions differ: {} here, {} there. Hint: run the same version of "
                    "millrace in all processes of a cluster",
                    ours.protocol_version, theirs.protocol_version);
    }
    if (theirs.cluster != ours.cluster) {
        return fail(Code::kInvalidArgument,
                    "clusters differ: '{}' here, '{}' there. Hint: check `cluster.id` and the "
                    "address of the peer",
                    ours.cluster, theirs.cluster);
    }
    return {};
}

std::vector<std::byte> encode_error(const Error& error) {
    WireWriter writer;
    writer.text(to_string(error.code));
    writer.text(std::string_view(error.message).substr(0, kReasonBytesMax));
    return std::move(writer).take();
}

Result<Error> decode_error(std::span<const std::byte> payload) {
    WireReader reader(payload);
    const std::string name = reader.text(kCodeBytesMax);
    std::string message = reader.text(kReasonBytesMax);
    if (!reader.is_complete()) {
        return fail(Code::kCorruption, "reason of {} bytes is cut or too long", payload.size());
    }
    return Error{code_of(name).value_or(Code::kInternal), std::move(message)};
}

}  // namespace millrace::net
