#include "runtime/net/data_link.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "runtime/base/check.h"
#include "runtime/base/crc32c.h"
#include "runtime/net/hello.h"

namespace millrace::net {
namespace {

// How much is done for one connection before the loop turns to the others.
constexpr int kReadsPerTurn = 32;
constexpr int kWritesPerTurn = 8;

// Room for any payload that is not a buffer, and for the rest of a buffer that is read past.
constexpr std::size_t kSpaceBytes = kLeadBytes + kDataBufferBytesMax;

std::unexpected<FrameFault> bad_payload(std::string text) {
    return std::unexpected(FrameFault{WireFault::kBadPayload, std::move(text)});
}

}  // namespace

DataLink::DataLink(EventLoop& loop, WireFaults& faults, Owner& owner, std::weak_ptr<void> keep,
                   std::unique_ptr<TcpStream> stream, const FrameRules& rules)
    : loop_(loop),
      faults_(faults),
      owner_(owner),
      keep_(std::move(keep)),
      stream_(std::move(stream)),
      rules_(rules),
      space_(kSpaceBytes) {}

DataLink::~DataLink() { close(); }

void DataLink::start() {
    stream_->set_events({
        .on_readable =
            [this] {
                const auto keep = keep_.lock();
                on_readable();
            },
        .on_written = {},
        .on_writable =
            [this] {
                const auto keep = keep_.lock();
                is_write_pending_ = false;
                write_some();
            },
    });
    stream_->await_readable();
}

void DataLink::on_readable() {
    for (int i = 0; i < kReadsPerTurn && !is_closed_; ++i) {
        auto read = read_step();
        if (!read) {
            owner_.on_burst_end();
            lose(std::move(read).error());
            return;
        }
        if (*read == 0) break;
        if (const auto taken = take(*read); !taken) {
            owner_.on_burst_end();
            fault(taken.error());
            return;
        }
    }
    if (is_closed_) return;
    owner_.on_burst_end();
    if (!is_closed_) stream_->await_readable();
}

Result<std::size_t> DataLink::read_step() {
    if (!is_in_body_) return stream_->read_now(std::span(head_).subspan(head_filled_));
    return stream_->read_now(body_.subspan(body_filled_), head_);
}

FrameResult<void> DataLink::take(std::size_t bytes) {
    if (is_in_body_) {
        const std::size_t of_body = std::min(bytes, body_.size() - body_filled_);
        body_filled_ += of_body;
        bytes -= of_body;
        if (body_filled_ < body_.size()) return {};
        if (auto taken = take_body(); !taken) return taken;
    }
    head_filled_ += bytes;
    return head_filled_ == head_.size() && !is_closed_ ? take_head() : FrameResult<void>{};
}

FrameResult<void> DataLink::take_head() {
    auto header = parse_frame_header(std::span(head_).first(kFrameHeaderBytes), rules_);
    if (!header) return std::unexpected(std::move(header).error());
    header_ = *header;
    if (header_.payload_bytes < kLeadBytes) {
        return bad_payload(
            fmt::format("frame of type {} has {} bytes only", header_.type, header_.payload_bytes));
    }
    const auto lead_bytes = std::span(head_).subspan(kFrameHeaderBytes);
    lead_ = parse_lead(lead_bytes);
    const std::size_t body_bytes = header_.payload_bytes - kLeadBytes;
    is_in_body_ = true;
    is_discarding_ = false;
    body_filled_ = 0;
    // The rest of the payload follows the lead, so that both lie in one piece.
    std::ranges::copy(lead_bytes, space_.begin());
    body_ = std::span(space_).subspan(kLeadBytes, body_bytes);
    if (header_.type == kBufferType) {
        if (body_bytes == 0) return bad_payload("an empty buffer");
        const auto placed = owner_.place_buffer(lead_, body_bytes);
        if (!placed) return std::unexpected(placed.error());
        is_discarding_ = !placed->has_value();
        if (*placed) body_ = **placed;
    }
    return body_.empty() ? take_body() : FrameResult<void>{};
}

FrameResult<void> DataLink::take_body() {
    is_in_body_ = false;
    // The head's bytes may be those of the next frame by now; the lead is rebuilt from its numbers.
    head_filled_ = 0;
    if (is_discarding_) return {};
    DataHeadBytes expected = make_data_head(header_.type, lead_, body_);
    std::uint32_t checksum = 0;
    std::memcpy(&checksum, &expected[12], sizeof checksum);
    if (checksum != header_.checksum) {
        return std::unexpected(FrameFault{
            WireFault::kBadChecksum, fmt::format("checksum of a frame of type {} with {} bytes is "
                                                 "wrong",
                                                 header_.type, header_.payload_bytes)});
    }
    const bool is_buffer = header_.type == kBufferType;
    return owner_.on_frame(
        header_.type, lead_,
        is_buffer ? std::span<const std::byte>() : std::span(space_).first(header_.payload_bytes));
}

void DataLink::discard_body() {
    MILLRACE_CHECK(is_in_body_);
    is_discarding_ = true;
    body_ = std::span(space_).first(body_.size());
}

void DataLink::queue(std::uint16_t type, const DataLead& lead, std::vector<std::byte> body) {
    if (is_closed_) return;
    if (frames_.size() >= kQueuedFramesMax) {
        fault({WireFault::kSendQueueFull, "it does not read"});
        return;
    }
    OutFrame frame{.head = make_data_head(type, lead, body),
                   .buffer = {},
                   .bytes = std::move(body),
                   .type = type,
                   .channel = lead.channel};
    frames_.push_back(std::move(frame));
    flush();
}

void DataLink::queue_hello(std::uint16_t type, const std::vector<std::byte>& payload) {
    MILLRACE_CHECK_GE(payload.size(), std::size_t{kLeadBytes});
    queue(type, parse_lead(std::span(payload).first(kLeadBytes)),
          {payload.begin() + kLeadBytes, payload.end()});
}

void DataLink::flush() {
    if (is_closed_ || is_write_pending_) return;
    // Posted, so that what is queued in one turn of the loop goes out in one write.
    is_write_pending_ = true;
    loop_.post([this, weak = keep_] {
        const auto keep = weak.lock();
        if (keep == nullptr) return;
        is_write_pending_ = false;
        write_some();
    });
}

void DataLink::write_some() {
    for (int i = 0; i < kWritesPerTurn; ++i) {
        if (is_closed_ || !write_batch()) return;
    }
    flush();
}

bool DataLink::write_batch() {
    if (frames_.size() < kFramesPerWrite && !last_words_) {
        owner_.fill(frames_, kFramesPerWrite - frames_.size());
    }
    if (frames_.empty()) {
        if (last_words_) lose(*std::move(last_words_));
        return false;
    }
    std::array<std::span<const std::byte>, TcpStream::kPartsMax> parts;
    std::size_t part_count = 0;
    std::size_t skip = sent_of_first_;
    const std::size_t frame_count = std::min(frames_.size(), kFramesPerWrite);
    for (std::size_t i = 0; i < frame_count; ++i) {
        const std::span<const std::byte> head = frames_[i].head;
        const auto body = frames_[i].body();
        const std::size_t head_skip = std::min(skip, head.size());
        if (head_skip < head.size()) parts[part_count++] = head.subspan(head_skip);
        if (!body.empty()) parts[part_count++] = body.subspan(skip - head_skip);
        skip = 0;
    }
    auto written = stream_->write_now(std::span(parts).first(part_count));
    if (!written) {
        lose(std::move(written).error());
        return false;
    }
    if (*written == 0) {
        is_write_pending_ = true;
        stream_->await_writable();
        return false;
    }
    retire(*written);
    return true;
}

void DataLink::retire(std::size_t bytes) {
    sent_of_first_ += bytes;
    while (!frames_.empty()) {
        const std::size_t body_bytes = frames_.front().body().size();
        const std::size_t frame_bytes = kDataHeadBytes + body_bytes;
        if (sent_of_first_ < frame_bytes) return;
        sent_of_first_ -= frame_bytes;
        const std::uint16_t type = frames_.front().type;
        const std::uint32_t channel = frames_.front().channel;
        // First, so that a buffer is back in its pool before anybody hears of it.
        frames_.pop_front();
        owner_.on_sent(type, channel, body_bytes);
    }
}

void DataLink::drop_frames(std::uint32_t channel) {
    const auto is_data = [channel](const OutFrame& frame) {
        return frame.channel == channel && (frame.type == kBufferType || frame.type == kEventType);
    };
    if (frames_.empty()) return;
    OutFrame& first = frames_.front();
    if (sent_of_first_ > 0 && is_data(first) && !first.buffer.is_empty()) {
        first.bytes.assign(first.buffer.bytes().begin(), first.buffer.bytes().end());
        first.buffer.release();
    }
    const auto begin = frames_.begin() + (sent_of_first_ > 0 ? 1 : 0);
    frames_.erase(std::remove_if(begin, frames_.end(), is_data), frames_.end());
}

void DataLink::fault(const FrameFault& fault) {
    if (is_closed_) return;
    faults_.record(fault.kind, peer().to_string(), fault.text);
    lose(fault.to_error());
}

void DataLink::lose_when_sent(Error reason) {
    last_words_ = std::move(reason);
    flush();
}

void DataLink::lose(Error reason) {
    if (is_closed_) return;
    close();
    // From the loop, because the owner may be in the middle of something.
    loop_.post([this, weak = keep_, reason = std::move(reason)]() mutable {
        if (const auto keep = weak.lock()) owner_.on_lost(std::move(reason));
    });
}

void DataLink::close() {
    is_closed_ = true;
    stream_->close();
    frames_.clear();
}

}  // namespace millrace::net
