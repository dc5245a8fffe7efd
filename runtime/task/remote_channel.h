// The two ends of a channel between TaskManagers, as tasks see them: elements in, elements out; the
// network's buffers and credits stay behind.
//
// The output encodes a pushed batch into network buffers as far as buffers and credit allow and
// carries on with the rest whenever it is asked for room; until then the batch is kept. The input
// decodes a buffer in place, so the batch that it hands out keeps the buffer, and with it the
// sender's credit, until its last reference is gone.
//
// Threads:    the task's.
// Ownership:  own their network end; borrow pool and memory.
// Limits:     the output keeps at most kElementsMax elements: the batches of one operator call and
//             the control elements behind them.
// Failure:    the network's reason; kResourceExhausted for a row over the limit, or without memory
//             to cut it or put it together; kCorruption for bytes that are no element.

#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <optional>

#include "memory/local_buffer_pool.h"
#include "runtime/data/codec.h"
#include "runtime/net/data_channel.h"
#include "runtime/task/channel.h"

namespace millrace::task {

class RemoteOutputChannel final : public OutputChannel {
  public:
    static constexpr std::size_t kElementsMax = 32;
    // Of them, what has_room() leaves to control elements and the later batches of one call.
    static constexpr std::size_t kControlElementsMax = 16;

    // `pool` serves all channels of one edge; its `on_available` rings the same task.
    RemoteOutputChannel(std::unique_ptr<net::RemoteOutput> output, memory::LocalBufferPool& pool,
                        data::SchemaPtr schema, data::BatchMemory& memory,
                        const data::CodecLimits& limits);

    void attach_producer(Waker& waker) override { output_->attach(waker); }
    [[nodiscard]] bool has_room() override;
    [[nodiscard]] bool has_control_room() override;
    [[nodiscard]] std::size_t free_window() override;
    void push(data::Element element) override;
    [[nodiscard]] bool is_settled() override;
    [[nodiscard]] const Error* failed() const override;
    [[nodiscard]] std::size_t queued_bytes() const override { return queued_bytes_; }

    // Traffic and credit; from any thread.
    [[nodiscard]] net::ChannelStats stats() const { return output_->stats(); }

  private:
    // Sends as much as buffers and credit allow.
    void advance();
    // Each true when it is done, false when it must wait.
    Result<bool> finish_batch();
    Result<bool> send_oldest();

    const std::unique_ptr<net::RemoteOutput> output_;
    memory::LocalBufferPool& pool_;
    const std::size_t buffer_bytes_;
    data::SliceEncoder encoder_;

    std::array<data::Element, kElementsMax> waiting_;
    std::size_t begin_ = 0;
    std::size_t count_ = 0;
    std::size_t encoding_bytes_ = 0;  // Of the batch in the encoder.
    std::size_t queued_bytes_ = 0;    // Of all batches here.
    std::optional<Error> failure_;
};

class RemoteInputChannel final : public InputChannel {
  public:
    RemoteInputChannel(std::unique_ptr<net::RemoteInput> input, data::SchemaPtr schema,
                       data::BatchMemory& memory, const data::CodecLimits& limits);

    void attach_consumer(Waker& waker) override { input_->attach(waker); }
    [[nodiscard]] std::optional<data::Element> poll() override;
    [[nodiscard]] const Error* failed() const override;
    [[nodiscard]] std::size_t queued_bytes() const override;

    [[nodiscard]] net::ChannelStats stats() const { return input_->stats(); }

  private:
    // nullopt: part of a row, or nothing there.
    Result<std::optional<data::Element>> take(net::Received& received);

    const std::unique_ptr<net::RemoteInput> input_;
    const std::size_t buffer_bytes_;
    data::SliceDecoder decoder_;
    std::optional<Error> failure_;
};

}  // namespace millrace::task
