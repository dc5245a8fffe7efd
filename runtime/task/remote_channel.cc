#include "runtime/task/remote_channel.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "runtime/base/check.h"

namespace millrace::task {

RemoteOutputChannel::RemoteOutputChannel(std::unique_ptr<net::RemoteOutput> output,
                                         memory::LocalBufferPool& pool, data::SchemaPtr schema,
                                         data::BatchMemory& memory, const data::CodecLimits& limits)
    : output_(std::move(output)),
      pool_(pool),
      buffer_bytes_(limits.buffer_bytes),
      encoder_(std::move(schema), memory, limits) {}

bool RemoteOutputChannel::has_room() {
    advance();
    return count_ == 0 && encoder_.is_done() && output_->can_send();
}

bool RemoteOutputChannel::has_control_room() {
    advance();
    return count_ < kElementsMax - kControlElementsMax;
}

std::size_t RemoteOutputChannel::free_window() {
    return has_room() ? std::max<std::size_t>(1, output_->room()) * buffer_bytes_ : 0;
}

void RemoteOutputChannel::push(data::Element element) {
    MILLRACE_CHECK_LT(count_, kElementsMax);
    if (const auto* batch = std::get_if<data::BatchPtr>(&element)) {
        queued_bytes_ += (*batch)->bytes();
    }
    waiting_[(begin_ + count_) % kElementsMax] = std::move(element);
    ++count_;
    advance();
}

bool RemoteOutputChannel::is_settled() {
    advance();
    return count_ == 0 && encoder_.is_done() && output_->is_drained();
}

const Error* RemoteOutputChannel::failed() const {
    return failure_ ? &*failure_ : output_->failure();
}

void RemoteOutputChannel::advance() {
    while (!failure_ && (count_ > 0 || !encoder_.is_done())) {
        Result<bool> done = encoder_.is_done() ? send_oldest() : finish_batch();
        if (!done) {
            failure_ = std::move(done).error();
        } else if (!*done) {
            return;
        }
    }
}

Result<bool> RemoteOutputChannel::send_oldest() {
    data::Element& oldest = waiting_[begin_];
    if (auto* batch = std::get_if<data::BatchPtr>(&oldest)) {
        encoding_bytes_ = (*batch)->bytes();
        encoder_.start(std::move(*batch));
    } else {
        if (!output_->can_send_event()) return false;
        const data::EventBytes event = data::encode_event(oldest);
        MILLRACE_CHECK(output_->try_send_event(event.span()));
    }
    oldest = data::EndOfInput{};
    begin_ = (begin_ + 1) % kElementsMax;
    --count_;
    return true;
}

Result<bool> RemoteOutputChannel::finish_batch() {
    while (!encoder_.is_done()) {
        if (!output_->can_send()) return false;
        std::optional<memory::NetworkBuffer> buffer = pool_.try_lend();
        if (!buffer) return false;
        MILLRACE_TRY(encoder_.encode_next(*buffer));
        MILLRACE_CHECK(output_->try_send(*buffer));
    }
    queued_bytes_ -= std::exchange(encoding_bytes_, 0);
    return true;
}

RemoteInputChannel::RemoteInputChannel(std::unique_ptr<net::RemoteInput> input,
                                       data::SchemaPtr schema, data::BatchMemory& memory,
                                       const data::CodecLimits& limits)
    : input_(std::move(input)),
      buffer_bytes_(limits.buffer_bytes),
      decoder_(std::move(schema), memory, limits) {}

std::optional<data::Element> RemoteInputChannel::poll() {
    while (!failure_) {
        std::optional<net::Received> received = input_->poll();
        if (!received) return std::nullopt;
        auto element = take(*received);
        if (!element) {
            failure_ = std::move(element).error();
        } else if (*element) {
            return *std::move(element);
        }
    }
    return std::nullopt;
}

Result<std::optional<data::Element>> RemoteInputChannel::take(net::Received& received) {
    if (received.is_event()) {
        MILLRACE_TRY_ASSIGN(data::Element event, data::decode_event(received.event));
        return std::optional<data::Element>(std::move(event));
    }
    MILLRACE_TRY_ASSIGN(std::optional<data::BatchPtr> batch, decoder_.decode(received.buffer));
    if (!batch) return std::optional<data::Element>();
    return std::optional<data::Element>(*std::move(batch));
}

const Error* RemoteInputChannel::failed() const {
    return failure_ ? &*failure_ : input_->failure();
}

std::size_t RemoteInputChannel::queued_bytes() const {
    return std::size_t{input_->stats().queued} * buffer_bytes_;
}

}  // namespace millrace::task
