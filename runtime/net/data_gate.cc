// The task's side of receiving: gates and inputs. Connections: data_receiver.cc.
#include <algorithm>
#include <utility>

#include "runtime/base/check.h"
#include "runtime/net/data_receiver.h"

namespace millrace::net {
namespace {

// Polled events are announced in groups, so that an event seldom costs a frame back.
constexpr std::uint32_t kEventsPerAnnouncement = kEventsMax / 4;

void add(std::atomic<std::uint64_t>& counter, std::uint64_t n) {
    counter.store(counter.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
}

}  // namespace

GateState::GateState(EventLoop& owner, std::weak_ptr<PlaneState> its_plane,
                     memory::NetworkBufferPool& pool, RemoteGate::Options given)
    : loop(owner), plane(std::move(its_plane)), options(std::move(given)), pool_(pool) {
    MILLRACE_CHECK_GE(options.exclusive_per_channel, 1U);
}

Status GateState::start() {
    auto made = pool_.create_pool(
        options.name + " floating",
        {.buffers_floor = options.floating_floor, .buffers_ceiling = options.floating_ceiling},
        [weak = weak_from_this()] {
            if (const auto self = weak.lock()) {
                self->on_floating_available();
            }
        });
    if (!made) return std::unexpected(std::move(made).error());
    floating_ = std::move(*made);
    return {};
}

Result<memory::LocalBufferPool*> GateState::make_exclusive(std::function<void()> on_available) {
    MILLRACE_TRY_ASSIGN(auto made,
                        pool_.create_pool(options.name,
                                          {.buffers_floor = options.exclusive_per_channel,
                                           .buffers_ceiling = options.exclusive_per_channel},
                                          std::move(on_available)));
    exclusive_.push_back(std::move(made));
    return exclusive_.back().get();
}

void GateState::wait_for_floating(const std::shared_ptr<InputState>& input) {
    if (std::exchange(input->is_waiting, true)) return;
    waiting_.push_back(input);
}

void GateState::on_floating_available() {
    if (is_serve_posted_.exchange(true)) return;
    loop.post([weak = weak_from_this()] {
        if (const auto self = weak.lock()) self->serve_waiting();
    });
}

void GateState::serve_waiting() {
    is_serve_posted_.exchange(false);
    while (!waiting_.empty()) {
        const auto input = waiting_.front().lock();
        waiting_.pop_front();
        if (input == nullptr) continue;
        input->is_waiting = false;
        // It has queued again, behind the others, and the pool will ring again.
        if (!input->lend_for_backlog()) return;
    }
}

void GateState::close() {
    loop.call([this] {
        waiting_.clear();
        exclusive_.clear();
        floating_ = nullptr;
    });
}

std::uint32_t GateState::buffers_in_use() const {
    std::uint32_t count = floating_->in_use();
    for (const auto& pool : exclusive_) count += pool->in_use();
    return count;
}

InputState::InputState(std::shared_ptr<GateState> its_gate, const ChannelKey& name)
    : gate(std::move(its_gate)),
      key(name),
      ring_(gate->options.exclusive_per_channel + gate->options.floating_ceiling + kEventsMax) {}

Status InputState::start() {
    auto made = gate->make_exclusive([weak = weak_from_this()] {
        if (const auto self = weak.lock()) self->post_top_up();
    });
    if (!made) return std::unexpected(std::move(made).error());
    exclusive_ = *made;
    return {};
}

void InputState::attach(Waker& waker) {
    waker_.store(&waker);
    waker.wake();
}

std::optional<Received> InputState::poll() {
    if (ring_.front() == nullptr) return std::nullopt;
    Received received = ring_.pop();
    if (!received.is_event()) {
        buffers_queued_.fetch_sub(1, std::memory_order_relaxed);
    } else if (events_polled_.fetch_add(1) + 1 >= kEventsPerAnnouncement) {
        post_top_up();
    }
    return received;
}

const Error* InputState::failure() const {
    // In this order: what was pushed before the failure is seen by the look at the ring.
    const bool is_over = is_failed_.load(std::memory_order_acquire) && ring_.size() == 0;
    return is_over ? &error_ : nullptr;
}

ChannelStats InputState::stats() const {
    return {.buffers = buffers_received_.load(std::memory_order_relaxed),
            .bytes = bytes_received_.load(std::memory_order_relaxed),
            .events = events_received_.load(std::memory_order_relaxed),
            .credit = credit_.load(std::memory_order_relaxed),
            .queued = buffers_queued_.load(std::memory_order_relaxed)};
}

void InputState::post_top_up() {
    if (is_top_up_posted_.exchange(true)) return;
    gate->loop.post([self = shared_from_this()] { self->top_up(); });
}

void InputState::top_up() {
    is_top_up_posted_.exchange(false);
    if (is_failed_ || !was_bound_) return;
    // Until it fails, so that the pool rings when the next one comes back.
    while (auto buffer = exclusive_->try_lend()) {
        empties_.push_back(*std::move(buffer));
        ++buffers_unannounced_;
    }
    announce();
}

void InputState::set_backlog(std::uint32_t buffers) {
    backlog_ = buffers;
    lend_for_backlog();
}

bool InputState::lend_for_backlog() {
    if (is_failed_ || !was_bound_) return true;
    bool is_served = true;
    while (empties_.size() < backlog_) {
        auto buffer = gate->lend_floating();
        if (!buffer) {
            gate->wait_for_floating(shared_from_this());
            is_served = false;
            break;
        }
        empties_.push_back(*std::move(buffer));
        ++buffers_unannounced_;
    }
    announce();
    return is_served;
}

void InputState::announce() {
    if (buffers_unannounced_ == 0 && events_polled_.load() < kEventsPerAnnouncement) return;
    if (const auto link = link_.lock()) link->announce(shared_from_this());
}

std::optional<DataLead> InputState::take_announcement() {
    if (is_failed_) return std::nullopt;
    const std::uint32_t events = events_polled_.exchange(0);
    const std::uint32_t buffers = std::exchange(buffers_unannounced_, 0);
    if (events == 0 && buffers == 0) return std::nullopt;
    events_open_ += events;
    credit_.store(static_cast<std::uint32_t>(empties_.size()), std::memory_order_relaxed);
    return DataLead{.channel = number_, .first = buffers, .second = events};
}

void InputState::bind(const std::shared_ptr<InboundLink>& link, std::uint32_t number) {
    link_ = link;
    number_ = number;
    was_bound_ = true;
    events_polled_.store(kEventsMax);  // The first announcement opens the whole window.
    top_up();
}

std::optional<memory::NetworkBuffer> InputState::take_empty() {
    // What is not announced yet is not the sender's to use.
    if (empties_.size() <= buffers_unannounced_) return std::nullopt;
    memory::NetworkBuffer buffer = std::move(empties_.back());
    empties_.pop_back();
    return buffer;
}

FrameResult<void> InputState::receive(const DataLead& lead, memory::NetworkBuffer buffer) {
    add(buffers_received_, 1);
    add(bytes_received_, buffer.size());
    buffers_queued_.fetch_add(1, std::memory_order_relaxed);
    if (auto pushed = push(lead, {.buffer = std::move(buffer), .event = {}}); !pushed) {
        return pushed;
    }
    set_backlog(lead.second);
    return {};
}

FrameResult<void> InputState::receive_event(const DataLead& lead,
                                            std::span<const std::byte> event) {
    if (events_open_ == 0) {
        return std::unexpected(FrameFault{
            WireFault::kOutOfPlace, fmt::format("event without room on channel {}", lead.channel)});
    }
    --events_open_;
    add(events_received_, 1);
    return push(lead, {.buffer = {}, .event = {event.begin(), event.end()}});
}

FrameResult<void> InputState::push(const DataLead& lead, Received received) {
    if (lead.first != sequence_) {
        return std::unexpected(
            FrameFault{WireFault::kOutOfPlace, fmt::format("number {} instead of {} on channel {}",
                                                           lead.first, sequence_, lead.channel)});
    }
    ++sequence_;
    credit_.store(static_cast<std::uint32_t>(empties_.size()), std::memory_order_relaxed);
    MILLRACE_CHECK(ring_.push(std::move(received)));
    return {};
}

void InputState::fail(Error reason) {
    if (is_failed_) return;
    error_ = std::move(reason);
    is_failed_.store(true);
    link_.reset();
    empties_.clear();
    buffers_unannounced_ = 0;
    wake();
}

void InputState::wake() {
    if (Waker* const waker = waker_.load()) waker->wake();
}

void InputState::close() {
    waker_.store(nullptr);
    const Error reason{Code::kCancelled, "the receiving task has closed the channel"};
    if (const auto link = link_.lock()) link->remove(number_, reason);
    fail(reason);
}

void InputState::drop_queue() {
    while (ring_.front() != nullptr) ring_.pop();
}

RemoteInput::RemoteInput(std::shared_ptr<InputState> state) : state_(std::move(state)) {}

void RemoteInput::attach(Waker& waker) { state_->attach(waker); }

std::optional<Received> RemoteInput::poll() { return state_->poll(); }

const Error* RemoteInput::failure() const { return state_->failure(); }

ChannelStats RemoteInput::stats() const { return state_->stats(); }

RemoteGate::RemoteGate(std::shared_ptr<GateState> state) : state_(std::move(state)) {}

RemoteGate::~RemoteGate() { state_->close(); }

std::uint32_t RemoteGate::buffers_in_use() const { return state_->buffers_in_use(); }

}  // namespace millrace::net
