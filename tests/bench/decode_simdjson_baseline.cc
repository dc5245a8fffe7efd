#include <span>

#include <simdjson.h>

#include "tests/bench/decode_simdjson.h"

namespace millrace::bench::baseline {

#include "tests/bench/decode_simdjson.inc"

}  // namespace millrace::bench::baseline
