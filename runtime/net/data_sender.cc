#include "runtime/net/data_sender.h"

#include <utility>

#include "runtime/base/check.h"

namespace millrace::net {
namespace {

// More credit than any gate can have is a fault of the peer.
constexpr std::uint32_t kCreditMax = 1U << 20;

std::uint64_t to_ns(TimePoint time) {
    return static_cast<std::uint64_t>(time.time_since_epoch().count());
}

// A counter with one writer: no locked instruction.
void add(std::atomic<std::uint64_t>& counter, std::uint64_t n) {
    counter.store(counter.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
}

}  // namespace

OutputState::OutputState(EventLoop& owner, const ChannelKey& name, RemoteOutput::Options options)
    : loop(owner), key(name), options_(options), ring_(options.queue_buffers_max + kEventsMax) {
    MILLRACE_CHECK_GE(options.queue_buffers_max, 1U);
}

void OutputState::attach(Waker& waker) {
    waker_.store(&waker);
    waker.wake();
}

template <class Condition>
bool OutputState::check_or_wait(Condition condition) {
    if (condition()) return true;
    // Sequentially consistent, like the loop's decrement and its look at wants_wake_: either the
    // second look below sees the room, or the loop sees the wish.
    wants_wake_.store(true);
    return condition();
}

bool OutputState::can_send() {
    return check_or_wait(
        [this] { return is_failed_ || buffers_held_.load() < options_.queue_buffers_max; });
}

bool OutputState::can_send_event() {
    return check_or_wait([this] { return is_failed_ || events_held_.load() < kEventsMax; });
}

bool OutputState::is_drained() {
    return check_or_wait(
        [this] { return is_failed_ || (buffers_held_.load() == 0 && events_held_.load() == 0); });
}

std::uint32_t OutputState::room() const {
    if (is_failed_) return options_.queue_buffers_max;
    return options_.queue_buffers_max - buffers_held_.load();
}

bool OutputState::try_send(memory::NetworkBuffer& buffer) {
    MILLRACE_CHECK(buffer.size() >= 1 && buffer.size() <= kDataBufferBytesMax);
    if (!can_send()) return false;
    if (is_failed_) {
        buffer.release();
        return true;
    }
    buffers_held_.fetch_add(1);
    buffers_queued_.fetch_add(1);
    hand_over({.buffer = std::move(buffer), .event = {}});
    return true;
}

bool OutputState::try_send_event(std::span<const std::byte> event) {
    MILLRACE_CHECK(!event.empty() && event.size() <= kEventBytesMax);
    if (!can_send_event()) return false;
    if (is_failed_) return true;
    events_held_.fetch_add(1);
    hand_over({.buffer = {}, .event = {event.begin(), event.end()}});
    return true;
}

void OutputState::hand_over(Outgoing item) {
    MILLRACE_CHECK(ring_.push(std::move(item)));
    if (!is_handover_posted_.exchange(true)) {
        loop.post([self = shared_from_this()] { self->on_handed_over(); });
    }
}

void OutputState::on_handed_over() {
    is_handover_posted_.exchange(false);
    if (is_failed_) {
        drop_queue();
    } else if (const auto link = link_.lock()) {
        link->mark_ready(*this);
    }
}

const Error* OutputState::failure() const {
    return is_failed_.load(std::memory_order_acquire) ? &error_ : nullptr;
}

ChannelStats OutputState::stats() const {
    const std::uint64_t since = starved_since_ns_.load(std::memory_order_relaxed);
    const std::uint64_t waiting = since == 0 ? 0 : to_ns(SystemClock().now()) - since;
    return {.buffers = buffers_sent_.load(std::memory_order_relaxed),
            .bytes = bytes_sent_.load(std::memory_order_relaxed),
            .events = events_sent_.load(std::memory_order_relaxed),
            .credit = credit_.load(std::memory_order_relaxed),
            .queued = buffers_held_.load(std::memory_order_relaxed),
            .starved_ns = starved_ns_.load(std::memory_order_relaxed) + waiting};
}

void OutputState::close() {
    loop.call([this] {
        waker_.store(nullptr);
        const Error reason{Code::kCancelled, "the sending task has closed the channel"};
        if (const auto link = link_.lock()) link->remove(number_, reason);
        fail(reason);
    });
}

void OutputState::bind(const std::shared_ptr<OutboundLink>& link, std::uint32_t number) {
    link_ = link;
    number_ = number;
}

bool OutputState::has_sendable(TimePoint now) {
    const Outgoing* next = ring_.front();
    if (next == nullptr) return false;
    if (next->buffer.is_empty()) return event_credit_ > 0;
    if (credit_.load(std::memory_order_relaxed) > 0) return true;
    if (!std::exchange(is_starved_, true)) {
        starved_since_ns_.store(to_ns(now), std::memory_order_relaxed);
    }
    return false;
}

std::optional<DataLead> OutputState::take_untold_backlog() {
    if (!is_starved_ || backlog_told_ > 0) return std::nullopt;
    backlog_told_ = buffers_queued_.load();
    return DataLead{.channel = number_, .first = backlog_told_, .second = 0};
}

OutFrame OutputState::take_frame() {
    Outgoing item = ring_.pop();
    OutFrame frame{.head = {},
                   .buffer = std::move(item.buffer),
                   .bytes = std::move(item.event),
                   .type = kEventType,
                   .channel = number_};
    DataLead lead{.channel = number_, .first = sequence_++, .second = 0};
    if (frame.buffer.is_empty()) {
        --event_credit_;
    } else {
        frame.type = kBufferType;
        backlog_told_ = buffers_queued_.fetch_sub(1) - 1;
        lead.second = backlog_told_;
        credit_.store(credit_.load(std::memory_order_relaxed) - 1, std::memory_order_relaxed);
    }
    frame.head = make_data_head(frame.type, lead, frame.body());
    return frame;
}

FrameResult<void> OutputState::add_credit(std::uint32_t buffers, std::uint32_t events,
                                          TimePoint now) {
    const std::uint32_t credit = credit_.load(std::memory_order_relaxed);
    if (buffers > kCreditMax - credit || events > kEventsMax - event_credit_) {
        return std::unexpected(
            FrameFault{WireFault::kBadPayload,
                       fmt::format("credit for {} buffers and {} events is beyond all limits",
                                   buffers, events)});
    }
    credit_.store(credit + buffers, std::memory_order_relaxed);
    event_credit_ += events;
    if (buffers > 0 && std::exchange(is_starved_, false)) {
        add(starved_ns_, to_ns(now) - starved_since_ns_.load(std::memory_order_relaxed));
        starved_since_ns_.store(0, std::memory_order_relaxed);
    }
    return {};
}

void OutputState::on_sent(std::uint16_t type, std::size_t bytes) {
    if (type == kBufferType) {
        add(buffers_sent_, 1);
        add(bytes_sent_, bytes);
        buffers_held_.fetch_sub(1);
    } else {
        add(events_sent_, 1);
        events_held_.fetch_sub(1);
    }
    if (wants_wake_.exchange(false)) wake();
}

void OutputState::fail(Error reason) {
    if (is_failed_) return;
    error_ = std::move(reason);
    is_failed_.store(true);
    link_.reset();
    starved_since_ns_.store(0, std::memory_order_relaxed);
    drop_queue();
    wake();
}

void OutputState::drop_queue() {
    while (ring_.front() != nullptr) ring_.pop();
    buffers_held_.store(0);
    events_held_.store(0);
}

void OutputState::wake() {
    if (Waker* const waker = waker_.load()) waker->wake();
}

OutboundLink::OutboundLink(Setup setup) : setup_(std::move(setup)) {}

void OutboundLink::start() {
    deadline_ = setup_.loop.post_after(setup_.deadline, [weak = weak_from_this()] {
        if (const auto self = weak.lock()) {
            self->on_lost({Code::kDeadlineExceeded, "no hello before the deadline"});
        }
    });
    connect_ = std::make_unique<TcpConnect>(setup_.loop, setup_.peer, setup_.deadline,
                                            [this](Result<std::unique_ptr<TcpStream>> connected) {
                                                const auto keep = shared_from_this();
                                                on_connected(std::move(connected));
                                            });
}

void OutboundLink::on_connected(Result<std::unique_ptr<TcpStream>> connected) {
    connect_ = nullptr;
    if (!connected) {
        on_lost(std::move(connected).error());
        return;
    }
    phase_ = Phase::kGreeting;
    link_ = std::make_unique<DataLink>(setup_.loop, setup_.faults, *this, weak_from_this(),
                                       std::move(*connected), rules_of_sender());
    link_->start();
    link_->queue_hello(kHelloType, encode_hello(setup_.self));
}

void OutboundLink::add(const std::shared_ptr<OutputState>& output) {
    if (channels_.size() >= setup_.channels_max) {
        output->fail(
            {Code::kResourceExhausted, fmt::format("more than {} channels to {}",
                                                   setup_.channels_max, setup_.peer.to_string())});
        return;
    }
    const std::uint32_t number = next_number_++;
    channels_.emplace(number, output);
    output->bind(shared_from_this(), number);
    if (phase_ == Phase::kOpen) send_open(number, *output);
}

void OutboundLink::send_open(std::uint32_t number, const OutputState& output) {
    link_->queue(kOpenType, {.channel = number},
                 encode_open({.epoch = setup_.epoch(), .key = output.key}));
}

void OutboundLink::remove(std::uint32_t number, const Error& reason) {
    if (channels_.erase(number) == 0) return;
    if (phase_ == Phase::kOpen) {
        link_->drop_frames(number);
        link_->queue(kClosedType, {.channel = number}, encode_error(reason));
    }
    close_if_idle(reason);
}

void OutboundLink::close_if_idle(const Error& reason) {
    if (!channels_.empty() || phase_ == Phase::kEnded) return;
    if (phase_ != Phase::kOpen) {
        on_lost(reason);
        return;
    }
    // What is queued goes out first, for as long as a hello may take.
    setup_.on_idle();
    link_->lose_when_sent(reason);
    deadline_ = setup_.loop.post_after(setup_.deadline, [weak = weak_from_this(), reason] {
        if (const auto self = weak.lock()) self->on_lost(reason);
    });
}

void OutboundLink::end(const Error& reason) {
    if (phase_ == Phase::kEnded) return;
    phase_ = Phase::kEnded;
    setup_.loop.cancel(deadline_);
    connect_ = nullptr;
    if (link_ != nullptr) link_->close();
    ready_.clear();
    for (const auto& [number, output] : std::exchange(channels_, {})) output->fail(reason);
}

void OutboundLink::fence(const JobId& job, Attempt attempt) {
    const auto all = channels_;
    for (const auto& [number, output] : all) {
        if (output->key.job != job || output->key.attempt >= attempt) continue;
        const Error reason{Code::kStale, fmt::format("attempt {} is behind attempt {}",
                                                     std::to_underlying(output->key.attempt),
                                                     std::to_underlying(attempt))};
        remove(number, reason);
        output->fail(reason);
    }
}

void OutboundLink::mark_ready(OutputState& output) {
    if (phase_ != Phase::kOpen || output.is_listed) return;
    if (!check_ready(output, setup_.clock.now())) return;
    output.is_listed = true;
    ready_.push_back(output.weak_from_this());
    link_->flush();
}

bool OutboundLink::check_ready(OutputState& output, TimePoint now) {
    if (output.has_sendable(now)) return true;
    if (const auto lead = output.take_untold_backlog()) link_->queue(kBacklogType, *lead, {});
    return false;
}

void OutboundLink::fill(std::deque<OutFrame>& frames, std::size_t count) {
    // One frame of each ready channel in turn, so that no channel waits for another's backlog.
    while (count > 0 && !ready_.empty()) {
        const auto output = ready_.front().lock();
        ready_.pop_front();
        if (output == nullptr) continue;
        output->is_listed = false;
        const TimePoint now = setup_.clock.now();
        if (!check_ready(*output, now)) continue;
        frames.push_back(output->take_frame());
        --count;
        if (check_ready(*output, now)) {
            output->is_listed = true;
            ready_.push_back(output);
        }
    }
}

FrameResult<std::optional<std::span<std::byte>>> OutboundLink::place_buffer(const DataLead&,
                                                                            std::size_t) {
    return std::unexpected(FrameFault{WireFault::kOutOfPlace, "a buffer from a receiver"});
}

FrameResult<void> OutboundLink::on_frame(std::uint16_t type, const DataLead& lead,
                                         std::span<const std::byte> payload) {
    if (phase_ == Phase::kGreeting) return on_answer(type, payload);
    if (phase_ == Phase::kOpen) return on_channel_frame(type, lead, payload.subspan(kLeadBytes));
    return {};
}

FrameResult<void> OutboundLink::on_answer(std::uint16_t type, std::span<const std::byte> payload) {
    if (type == kRefusedType) {
        auto reason = decode_error(payload);
        on_lost(reason ? std::move(*reason).with_context("refused") : std::move(reason).error());
        return {};
    }
    if (type != kHelloAcceptedType) {
        return std::unexpected(FrameFault{
            WireFault::kOutOfPlace, fmt::format("frame of type {} in answer to a hello", type)});
    }
    const auto theirs = decode_hello(payload);
    if (!theirs) {
        return std::unexpected(FrameFault{WireFault::kBadPayload, theirs.error().message});
    }
    if (const Status checked = check_hello(setup_.self, *theirs); !checked) {
        return std::unexpected(FrameFault{WireFault::kHelloRefused, checked.error().message});
    }
    setup_.loop.cancel(deadline_);
    phase_ = Phase::kOpen;
    for (std::uint32_t number = 0; number < next_number_; ++number) {
        if (const OutputState* output = find(number)) send_open(number, *output);
    }
    return {};
}

FrameResult<void> OutboundLink::on_channel_frame(std::uint16_t type, const DataLead& lead,
                                                 std::span<const std::byte> body) {
    if (lead.channel >= next_number_) {
        return std::unexpected(FrameFault{WireFault::kOutOfPlace,
                                          fmt::format("no channel {} was opened", lead.channel)});
    }
    OutputState* const output = find(lead.channel);
    if (type == kCreditType) {
        if (output == nullptr) return {};  // Closed here; the receiver has not heard of it yet.
        if (auto added = output->add_credit(lead.first, lead.second, setup_.clock.now()); !added) {
            return added;
        }
        mark_ready(*output);
        return {};
    }
    if (type != kRejectedType) {
        return std::unexpected(FrameFault{WireFault::kOutOfPlace,
                                          fmt::format("frame of type {} after the hello", type)});
    }
    auto reason = decode_error(body);
    if (!reason) return std::unexpected(FrameFault{WireFault::kBadPayload, reason.error().message});
    if (output == nullptr) return {};
    const auto keep = output->shared_from_this();
    link_->drop_frames(lead.channel);
    channels_.erase(lead.channel);
    keep->fail(std::move(*reason).with_context(setup_.peer.to_string()));
    close_if_idle({Code::kCancelled, "no channel is left"});
    return {};
}

void OutboundLink::on_sent(std::uint16_t type, std::uint32_t channel, std::size_t bytes) {
    if (type != kBufferType && type != kEventType) return;
    if (type == kBufferType) {
        setup_.sent.buffers.add();
        setup_.sent.bytes.add(bytes);
    }
    if (OutputState* const output = find(channel)) output->on_sent(type, bytes);
}

void OutboundLink::on_lost(Error reason) {
    if (phase_ == Phase::kEnded) return;
    end(std::move(reason).with_context(
        fmt::format("connection to the TaskManager at {}", setup_.peer.to_string())));
    setup_.on_ended();
}

OutputState* OutboundLink::find(std::uint32_t number) {
    const auto it = channels_.find(number);
    return it == channels_.end() ? nullptr : it->second.get();
}

RemoteOutput::RemoteOutput(std::shared_ptr<OutputState> state) : state_(std::move(state)) {}

RemoteOutput::~RemoteOutput() { state_->close(); }

void RemoteOutput::attach(Waker& waker) { state_->attach(waker); }

bool RemoteOutput::can_send() { return state_->can_send(); }

bool RemoteOutput::can_send_event() { return state_->can_send_event(); }

std::uint32_t RemoteOutput::room() const { return state_->room(); }

bool RemoteOutput::try_send(memory::NetworkBuffer& buffer) { return state_->try_send(buffer); }

bool RemoteOutput::try_send_event(std::span<const std::byte> event) {
    return state_->try_send_event(event);
}

bool RemoteOutput::is_drained() { return state_->is_drained(); }

const Error* RemoteOutput::failure() const { return state_->failure(); }

ChannelStats RemoteOutput::stats() const { return state_->stats(); }

}  // namespace millrace::net
