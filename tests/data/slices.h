// Sends batches through the slice codec as a channel would, but by copying bytes.
//
// Threads:    one.
// Failure:    aborts when encoding fails.

#pragma once

#include <cstddef>
#include <vector>

#include "runtime/base/check.h"
#include "runtime/data/codec.h"
#include "tests/data/random_batch.h"
#include "tests/support/buffer_world.h"

namespace millrace::test {

using Bytes = std::vector<std::byte>;

// The buffers that `encoder` fills, one at a time, until it is done.
inline std::vector<Bytes> drain(data::SliceEncoder& encoder, BufferWorld& buffers) {
    std::vector<Bytes> sent;
    while (!encoder.is_done()) {
        memory::NetworkBuffer buffer = buffers.lend();
        MILLRACE_CHECK(encoder.encode_next(buffer).has_value());
        sent.emplace_back(buffer.bytes().begin(), buffer.bytes().end());
    }
    return sent;
}

// All rows that come out at the other end.
inline Result<RowTexts> receive(data::SliceDecoder& decoder, const std::vector<Bytes>& sent,
                                BufferWorld& buffers) {
    RowTexts rows;
    for (const Bytes& bytes : sent) {
        memory::NetworkBuffer buffer = buffers.received(bytes);
        MILLRACE_TRY_ASSIGN(const auto batch, decoder.decode(buffer));
        if (batch) {
            for (std::string& row : text_of(**batch)) rows.push_back(std::move(row));
        }
    }
    return rows;
}

}  // namespace millrace::test
