// One number for all the options of a learner, to notice that a snapshot was taken under others.
//
// Threads:    any.

#pragma once

#include <bit>
#include <cstdint>
#include <initializer_list>
#include <string_view>

#include "ml/hash.h"

namespace millrace::ml {

// The order of `options` is part of the number.
[[nodiscard]] inline std::uint64_t settings_hash_of(std::string_view learner,
                                                    std::initializer_list<double> options) {
    std::uint64_t hash = hash_bytes(learner, 0);
    for (const double option : options) {
        hash = IntegerHash(hash)(std::bit_cast<std::int64_t>(option));
    }
    return hash;
}

}  // namespace millrace::ml
