// The loop that JsonDecoder is compared with, compiled twice; see decode_simdjson.inc.
//
// Threads:    one.
// Limits:     records must have 64 readable bytes behind them.
// Failure:    none: it believes that the records are sound.

#pragma once

#include <span>

#include "operators/format/record_decoder.h"

namespace millrace::bench {

// For every x86-64 processor, as the product is.
namespace baseline {
void decode_with_simdjson(std::span<const operators::RawRecord> records,
                          data::BatchBuilder& builder);
}
// For x86-64-v3.
namespace v3 {
void decode_with_simdjson(std::span<const operators::RawRecord> records,
                          data::BatchBuilder& builder);
}

}  // namespace millrace::bench
