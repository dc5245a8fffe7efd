// A channel inside one TaskManager: hands elements on by reference, within a window of bytes.
//
// A ring with one writer and one reader. The window counts bytes() of the batches in the ring, not
// what the consumer still works on. Both ends ring: the producer after every push (a bell that was
// not heard yet costs one exchange); the consumer only when the producer said that it waits, and
// not before the ring is half empty, so that a fast producer wakes once per half window instead of
// once per batch.
//
// Threads:    one producer and one consumer, on any two threads.
// Ownership:  owns the batches between push() and poll(); the producer's slot pays for them.
// Limits:     kSlots elements, of which kControlSlots are kept for control elements; bytes in the
//             ring stay below the window plus the batches that are pushed after one has_room().
// Failure:    none: both ends live and die in one process.

#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <optional>

#include "runtime/task/channel.h"

namespace millrace::task {

class LocalChannel final : public InputChannel, public OutputChannel {
  public:
    static constexpr std::size_t kSlots = 64;
    static constexpr std::size_t kControlSlots = 16;

    // REQUIRES: window_bytes > 0.
    explicit LocalChannel(std::size_t window_bytes);

    // The other end may be in use already: tasks of a job start in any order.
    void attach_consumer(Waker& waker) override { consumer_.store(&waker); }
    void attach_producer(Waker& waker) override { producer_.store(&waker); }

    // The producer's end.
    [[nodiscard]] bool has_room() override;
    [[nodiscard]] bool has_control_room() override;
    [[nodiscard]] std::size_t free_window() override;
    void push(data::Element element) override;

    // The consumer's end.
    [[nodiscard]] std::optional<data::Element> poll() override;

    // Either end, or an onlooker.
    [[nodiscard]] std::size_t queued_bytes() const override {
        return bytes_.load(std::memory_order_relaxed);
    }
    [[nodiscard]] const Error* failed() const override { return nullptr; }
    [[nodiscard]] std::size_t window_bytes() const { return window_bytes_; }

  private:
    [[nodiscard]] bool fits_batch() const;
    [[nodiscard]] bool fits_control() const;
    // True when a waiting producer is worth a ring.
    [[nodiscard]] bool is_low(std::size_t bytes, std::size_t polled) const;
    // Asks `fits`; when it does not, says that the producer waits and asks once more.
    [[nodiscard]] bool has_room_or_waits(bool (LocalChannel::*fits)() const);

    // Rings an end, if it is there already.
    static void ring(const std::atomic<Waker*>& end);

    const std::size_t window_bytes_;

    // Written once, by the task that holds the end.
    std::atomic<Waker*> producer_{nullptr};
    std::atomic<Waker*> consumer_{nullptr};

    // Written by the producer.
    alignas(64) std::atomic<std::size_t> pushed_{0};  // Elements ever pushed.
    // Written by the consumer.
    alignas(64) std::atomic<std::size_t> polled_{0};  // Elements ever polled.
    // Written by both.
    alignas(64) std::atomic<std::size_t> bytes_{0};
    std::atomic<bool> producer_waits_{false};

    std::array<data::Element, kSlots> ring_;
};

}  // namespace millrace::task
