#include "runtime/task/local_channel.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "runtime/base/check.h"

namespace millrace::task {

namespace {

std::size_t bytes_of(const data::Element& element) {
    const auto* batch = std::get_if<data::BatchPtr>(&element);
    return batch == nullptr ? 0 : (*batch)->bytes();
}

}  // namespace

LocalChannel::LocalChannel(std::size_t window_bytes) : window_bytes_(window_bytes) {
    MILLRACE_CHECK_GT(window_bytes, 0U);
}

bool LocalChannel::fits_batch() const {
    // The order is sequentially consistent for has_room_or_waits().
    const std::size_t used = pushed_.load(std::memory_order_relaxed) - polled_.load();
    return used < kSlots - kControlSlots && bytes_.load() < window_bytes_;
}

bool LocalChannel::fits_control() const {
    return pushed_.load(std::memory_order_relaxed) - polled_.load() < kSlots;
}

bool LocalChannel::has_room_or_waits(bool (LocalChannel::*fits)() const) {
    if ((this->*fits)()) return true;
    // The consumer frees room and then looks at this flag; we set it and then look for room. In the
    // one order of all these accesses one of us comes second and sees the other.
    producer_waits_.store(true);
    if (!(this->*fits)()) return false;
    producer_waits_.store(false);
    return true;
}

bool LocalChannel::has_room() { return has_room_or_waits(&LocalChannel::fits_batch); }

bool LocalChannel::has_control_room() { return has_room_or_waits(&LocalChannel::fits_control); }

std::size_t LocalChannel::free_window() {
    if (!has_room()) return 0;
    // The consumer only ever makes more room.
    return window_bytes_ - bytes_.load(std::memory_order_relaxed);
}

void LocalChannel::ring(const std::atomic<Waker*>& end) {
    // An end that comes later looks at the channel in its first step, ring or no ring.
    if (Waker* const waker = end.load()) waker->wake();
}

bool LocalChannel::is_low(std::size_t bytes, std::size_t polled) const {
    return bytes <= window_bytes_ / 2 &&
           pushed_.load(std::memory_order_relaxed) - polled <= (kSlots - kControlSlots) / 2;
}

void LocalChannel::push(data::Element element) {
    const std::size_t at = pushed_.load(std::memory_order_relaxed);
    MILLRACE_CHECK_LT(at - polled_.load(std::memory_order_acquire), kSlots);
    bytes_.fetch_add(bytes_of(element), std::memory_order_relaxed);
    ring_[at % kSlots] = std::move(element);
    // Sequentially consistent: a consumer that attaches just now and is not rung sees the element.
    pushed_.store(at + 1);
    ring(consumer_);
}

std::optional<data::Element> LocalChannel::poll() {
    const std::size_t at = polled_.load(std::memory_order_relaxed);
    if (at == pushed_.load()) return std::nullopt;
    std::optional<data::Element> element(std::move(ring_[at % kSlots]));
    ring_[at % kSlots] = data::EndOfInput{};
    const std::size_t size = bytes_of(*element);
    const std::size_t bytes = bytes_.fetch_sub(size) - size;
    polled_.store(at + 1);
    if (producer_waits_.load() && is_low(bytes, at + 1) && producer_waits_.exchange(false)) {
        ring(producer_);
    }
    return element;
}

}  // namespace millrace::task
