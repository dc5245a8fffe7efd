// The two ends of a channel, as tasks see them: elements in order, with room that is asked for
// first.
//
// A channel joins one producing subtask with one consuming subtask. Inside a TaskManager it is a
// LocalChannel, between TaskManagers a RemoteOutputChannel and a RemoteInputChannel. Virtual calls
// are per element, never per row.
//
// Threads:    each end belongs to one task, whose thread may change between steps.
// Ownership:  whoever deploys the job owns the channels and destroys them after their tasks.
// Limits:     has_room() is asked before a batch is made, so a channel holds at most its window and
//             the batches of one operator call (operators::kEmitBatchesMax).
// Failure:    failed() says why; the task that holds the end fails with that reason.

#pragma once

#include <cstddef>
#include <optional>

#include "runtime/base/status.h"
#include "runtime/base/waker.h"
#include "runtime/data/element.h"

namespace millrace::task {

class InputChannel {
  public:
    virtual ~InputChannel() = default;

    // Rings `waker` whenever poll() or failed() may have news. Once, before the first poll().
    virtual void attach_consumer(Waker& waker) = 0;
    // Takes the next element; nullopt when there is none now.
    [[nodiscard]] virtual std::optional<data::Element> poll() = 0;
    // Why nothing will come any more; null while the channel is sound. What came in before the
    // failure may be lost.
    [[nodiscard]] virtual const Error* failed() const { return nullptr; }
    // Bytes of batches that wait to be polled. From the end's thread.
    [[nodiscard]] virtual std::size_t queued_bytes() const = 0;
};

class OutputChannel {
  public:
    virtual ~OutputChannel() = default;

    // Rings `waker` once has_room(), has_control_room() or is_settled() became true after it was
    // false, and when failed() has news. Once, before the first push().
    virtual void attach_producer(Waker& waker) = 0;
    // True when a batch may be pushed. Carries on with what an earlier push() could not finish.
    [[nodiscard]] virtual bool has_room() = 0;
    // True when a control element may be pushed: they need no window, only a place in the queue.
    [[nodiscard]] virtual bool has_control_room() = 0;
    // Bytes of batches that may still be pushed; 0 exactly when !has_room().
    [[nodiscard]] virtual std::size_t free_window() = 0;
    // REQUIRES: room for what is pushed; a batch may exceed the window that is left.
    virtual void push(data::Element element) = 0;
    // True when all that was pushed has left this end.
    [[nodiscard]] virtual bool is_settled() { return true; }
    [[nodiscard]] virtual const Error* failed() const { return nullptr; }
    // Bytes of batches that were pushed and have not left. From the end's thread.
    [[nodiscard]] virtual std::size_t queued_bytes() const = 0;
};

}  // namespace millrace::task
