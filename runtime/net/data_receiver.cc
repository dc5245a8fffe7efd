// The connection's side of receiving. Gates and inputs: data_gate.cc.
#include "runtime/net/data_receiver.h"

#include <utility>

#include "runtime/base/check.h"

namespace millrace::net {
namespace {

std::unexpected<FrameFault> bad_payload(std::string text) {
    return std::unexpected(FrameFault{WireFault::kBadPayload, std::move(text)});
}

std::unexpected<FrameFault> out_of_place(std::string text) {
    return std::unexpected(FrameFault{WireFault::kOutOfPlace, std::move(text)});
}

}  // namespace

InboundLink::InboundLink(Setup setup) : setup_(std::move(setup)) {}

void InboundLink::start(std::unique_ptr<TcpStream> stream) {
    link_ = std::make_unique<DataLink>(setup_.loop, setup_.faults, *this, weak_from_this(),
                                       std::move(stream), rules_of_receiver());
    deadline_ = setup_.loop.post_after(setup_.hello_deadline, [weak = weak_from_this()] {
        if (const auto self = weak.lock()) {
            self->link_->fault({WireFault::kHelloLate, "no hello before the deadline"});
        }
    });
    link_->start();
}

FrameResult<void> InboundLink::on_frame(std::uint16_t type, const DataLead& lead,
                                        std::span<const std::byte> payload) {
    if (!is_open_) return on_hello(type, payload);
    if (type == kBufferType) {
        MILLRACE_CHECK(incoming_.has_value());
        Incoming incoming = *std::exchange(incoming_, std::nullopt);
        setup_.received.buffers.add();
        setup_.received.bytes.add(incoming.buffer.size());
        touch(incoming.input);
        return incoming.input->receive(lead, std::move(incoming.buffer));
    }
    const auto body = payload.subspan(kLeadBytes);
    if (type == kOpenType) return on_open(lead.channel, body);
    if (lead.channel >= next_number_) {
        return out_of_place(fmt::format("no channel {} was opened", lead.channel));
    }
    if (type == kClosedType) return on_closed(lead.channel, body);
    const auto input = find(lead.channel);
    if (type == kBacklogType) {
        if (input != nullptr) input->set_backlog(lead.first);
        return {};
    }
    if (type != kEventType) {
        return out_of_place(fmt::format("frame of type {} after the hello", type));
    }
    if (body.empty()) return bad_payload("an empty event");
    if (input == nullptr) return {};  // Closed here; the sender has not heard of it yet.
    touch(input);
    return input->receive_event(lead, body);
}

FrameResult<void> InboundLink::on_hello(std::uint16_t type, std::span<const std::byte> payload) {
    if (type != kHelloType) {
        return out_of_place(fmt::format("frame of type {} before the hello", type));
    }
    const auto theirs = decode_hello(payload);
    if (!theirs) return bad_payload(theirs.error().message);
    setup_.loop.cancel(deadline_);
    const auto ours = setup_.greet(*theirs);
    if (!ours) {
        setup_.faults.record(WireFault::kHelloRefused, link_->peer().to_string(),
                             ours.error().message);
        link_->queue_hello(kRefusedType, encode_error(ours.error()));
        link_->lose_when_sent(ours.error());
        deadline_ = setup_.loop.post_after(setup_.hello_deadline, [weak = weak_from_this()] {
            if (const auto self = weak.lock()) self->on_lost({Code::kCancelled, "refused"});
        });
        return {};
    }
    is_open_ = true;
    link_->queue_hello(kHelloAcceptedType, encode_hello(*ours));
    return {};
}

FrameResult<void> InboundLink::on_open(std::uint32_t number, std::span<const std::byte> body) {
    if (number != next_number_) {
        return out_of_place(fmt::format("open of channel {} instead of {}", number, next_number_));
    }
    const auto open = decode_open(body);
    if (!open) return bad_payload(open.error().message);
    ++next_number_;
    if (channels_.size() + pending_.size() >= setup_.channels_max) {
        reject(number, {Code::kResourceExhausted,
                        fmt::format("more than {} channels", setup_.channels_max)});
    } else {
        settle(number, *open);
    }
    return {};
}

void InboundLink::settle(std::uint32_t number, const ChannelOpen& open) {
    auto found = setup_.find_input(open);
    if (!found) {
        reject(number, found.error());
    } else if (*found != nullptr) {
        channels_.emplace(number, *found);
        (*found)->bind(shared_from_this(), number);
    } else if (pending_.contains(open.key)) {
        reject(number, {Code::kAlreadyExists, "the channel is being opened already"});
    } else if (pending_.size() >= setup_.pending_opens_max) {
        reject(number, {Code::kResourceExhausted, "too many channels wait for their task"});
    } else {
        park(number, open);
    }
}

void InboundLink::park(std::uint32_t number, const ChannelOpen& open) {
    const TimerId deadline =
        setup_.loop.post_after(setup_.open_deadline, [weak = weak_from_this(), key = open.key] {
            const auto self = weak.lock();
            if (self == nullptr) return;
            const auto it = self->pending_.find(key);
            if (it == self->pending_.end()) return;
            self->reject(it->second.number,
                         {Code::kNotFound, fmt::format("no task has made channel {} of job {}",
                                                       key.channel, key.job.to_string())});
            self->pending_.erase(it);
        });
    pending_.emplace(open.key, PendingOpen{number, open, deadline});
}

void InboundLink::retry(const ChannelKey& key) {
    const auto it = pending_.find(key);
    if (it == pending_.end()) return;
    const PendingOpen waiting = it->second;
    setup_.loop.cancel(waiting.deadline);
    pending_.erase(it);
    settle(waiting.number, waiting.open);
}

void InboundLink::fence(const JobId& job, Attempt attempt) {
    const auto waiting = pending_;
    for (const auto& [key, open] : waiting) {
        if (key.job == job && key.attempt < attempt) retry(key);
    }
    const auto all = channels_;
    for (const auto& [number, input] : all) {
        if (input->key.job != job || input->key.attempt >= attempt) continue;
        const Error reason{Code::kStale, fmt::format("attempt {} is behind attempt {}",
                                                     std::to_underlying(input->key.attempt),
                                                     std::to_underlying(attempt))};
        remove(number, reason);
        input->fail(reason);
    }
}

FrameResult<void> InboundLink::on_closed(std::uint32_t number, std::span<const std::byte> body) {
    auto reason = decode_error(body);
    if (!reason) return bad_payload(reason.error().message);
    if (const auto input = find(number)) {
        channels_.erase(number);
        input->fail(std::move(*reason).with_context(link_->peer().to_string()));
        return {};
    }
    for (auto it = pending_.begin(); it != pending_.end(); ++it) {
        if (it->second.number != number) continue;
        setup_.loop.cancel(it->second.deadline);
        pending_.erase(it);
        break;
    }
    return {};
}

void InboundLink::remove(std::uint32_t number, const Error& reason) {
    if (channels_.erase(number) == 0) return;
    if (incoming_ && incoming_->number == number) {
        link_->discard_body();
        incoming_.reset();
    }
    reject(number, reason);
}

void InboundLink::reject(std::uint32_t number, const Error& reason) {
    link_->queue(kRejectedType, {.channel = number}, encode_error(reason));
}

void InboundLink::announce(const std::shared_ptr<InputState>& input) {
    if (!std::exchange(input->is_listed, true)) to_announce_.push_back(input);
    link_->flush();
}

void InboundLink::fill(std::deque<OutFrame>& frames, std::size_t count) {
    while (count > 0 && !to_announce_.empty()) {
        const auto input = to_announce_.front().lock();
        to_announce_.pop_front();
        if (input == nullptr) continue;
        input->is_listed = false;
        const auto lead = input->take_announcement();
        if (!lead) continue;
        frames.push_back({.head = make_data_head(kCreditType, *lead, {}),
                          .buffer = {},
                          .bytes = {},
                          .type = kCreditType,
                          .channel = lead->channel});
        --count;
    }
}

FrameResult<std::optional<std::span<std::byte>>> InboundLink::place_buffer(const DataLead& lead,
                                                                           std::size_t bytes) {
    if (!is_open_) return out_of_place("a buffer before the hello");
    if (lead.channel >= next_number_) {
        return out_of_place(fmt::format("no channel {} was opened", lead.channel));
    }
    auto input = find(lead.channel);
    if (input == nullptr) return std::nullopt;  // Closed here; the sender has not heard of it yet.
    auto buffer = input->take_empty();
    if (!buffer) {
        return out_of_place(fmt::format("buffer without credit on channel {}", lead.channel));
    }
    if (bytes > buffer->capacity()) {
        return std::unexpected(
            FrameFault{WireFault::kTooLong,
                       fmt::format("buffer of {} bytes, at most {}. Hint: all TaskManagers "
                                   "need the same `taskmanager.memory.segment-size`",
                                   bytes, buffer->capacity())});
    }
    buffer->set_size(bytes);
    const std::span<std::byte> space = buffer->bytes();
    incoming_ = Incoming{std::move(input), *std::move(buffer), lead.channel};
    return space;
}

void InboundLink::touch(const std::shared_ptr<InputState>& input) {
    if (!std::exchange(input->is_touched, true)) touched_.push_back(input);
}

void InboundLink::on_burst_end() {
    for (const auto& input : std::exchange(touched_, {})) {
        input->is_touched = false;
        input->wake();
    }
}

void InboundLink::on_lost(Error reason) {
    if (is_ended_) return;
    end(reason);
    setup_.on_ended();
}

void InboundLink::end(const Error& reason) {
    if (std::exchange(is_ended_, true)) return;
    setup_.loop.cancel(deadline_);
    link_->close();
    incoming_.reset();
    for (const auto& [key, waiting] : pending_) setup_.loop.cancel(waiting.deadline);
    pending_.clear();
    const Error lost = Error(reason).with_context(
        fmt::format("connection from the TaskManager at {}", link_->peer().to_string()));
    for (const auto& [number, input] : std::exchange(channels_, {})) input->fail(lost);
}

std::shared_ptr<InputState> InboundLink::find(std::uint32_t number) const {
    const auto it = channels_.find(number);
    return it == channels_.end() ? nullptr : it->second;
}

}  // namespace millrace::net
