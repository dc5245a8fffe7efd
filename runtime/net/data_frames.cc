#include "runtime/net/data_frames.h"

#include <algorithm>
#include <utility>

#include "runtime/base/check.h"
#include "runtime/net/hello.h"
#include "runtime/net/wire_bytes.h"

namespace millrace::net {
namespace {

constexpr std::uint32_t kOpenBytes = 36;

}  // namespace

const FrameRules& rules_of_receiver() {
    static const FrameRules rules{{kBufferType, kLeadBytes + kDataBufferBytesMax},
                                  {kEventType, kLeadBytes + kEventBytesMax},
                                  {kOpenType, kLeadBytes + kOpenBytes},
                                  {kBacklogType, kLeadBytes},
                                  {kClosedType, kHelloBytesMax},
                                  {kHelloType, kHelloBytesMax}};
    return rules;
}

const FrameRules& rules_of_sender() {
    static const FrameRules rules{{kCreditType, kLeadBytes},
                                  {kRejectedType, kHelloBytesMax},
                                  {kHelloAcceptedType, kHelloBytesMax},
                                  {kRefusedType, kHelloBytesMax}};
    return rules;
}

DataHeadBytes make_data_head(std::uint16_t type, const DataLead& lead,
                             std::span<const std::byte> body) {
    DataHeadBytes head;
    const auto lead_bytes = std::span(head).subspan(kFrameHeaderBytes);
    store_little_endian(&lead_bytes[0], lead.channel);
    store_little_endian(&lead_bytes[4], lead.first);
    store_little_endian(&lead_bytes[8], lead.second);
    const std::array<std::span<const std::byte>, 2> parts{lead_bytes, body};
    const FrameHeaderBytes header = make_frame_header(type, parts);
    std::ranges::copy(header, head.begin());
    return head;
}

DataLead parse_lead(std::span<const std::byte> bytes) {
    MILLRACE_CHECK_EQ(bytes.size(), std::size_t{kLeadBytes});
    return {.channel = load_little_endian<std::uint32_t>(&bytes[0]),
            .first = load_little_endian<std::uint32_t>(&bytes[4]),
            .second = load_little_endian<std::uint32_t>(&bytes[8])};
}

std::vector<std::byte> encode_open(const ChannelOpen& open) {
    WireWriter writer;
    writer.number(std::to_underlying(open.epoch));
    writer.number(open.key.job.high);
    writer.number(open.key.job.low);
    writer.number(std::to_underlying(open.key.attempt));
    writer.number(open.key.channel);
    return std::move(writer).take();
}

Result<ChannelOpen> decode_open(std::span<const std::byte> body) {
    WireReader reader(body);
    ChannelOpen open;
    open.epoch = LeaderEpoch{reader.number<std::uint64_t>()};
    open.key.job.high = reader.number<std::uint64_t>();
    open.key.job.low = reader.number<std::uint64_t>();
    open.key.attempt = Attempt{reader.number<std::uint32_t>()};
    open.key.channel = reader.number<std::uint64_t>();
    if (!reader.is_complete()) {
        return fail(Code::kCorruption, "channel open of {} bytes is cut or too long", body.size());
    }
    return open;
}

}  // namespace millrace::net
