#include "ml/hash.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace millrace::ml {
namespace {

template <class T>
[[gnu::always_inline]] inline void hash_each(const IntegerHash& hash, std::span<const T> values,
                                             std::uint64_t* keys) {
    for (std::size_t i = 0; i < values.size(); ++i) keys[i] = hash(values[i]);
}

#if defined(__x86_64__)

// Eight lanes, with an instruction for the product of 64 bits; compilers make them of the loop.
template <class T>
__attribute__((target("avx512f,avx512dq"))) void hash_eight_lanes(const IntegerHash& hash,
                                                                  std::span<const T> values,
                                                                  std::uint64_t* keys) {
    hash_each(hash, values, keys);
}

bool has_eight_lanes() {
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq");
}

#endif

template <class T>
void hash_all(const IntegerHash& hash, std::span<const T> values, std::uint64_t* keys) {
#if defined(__x86_64__)
    static const bool use_eight_lanes = has_eight_lanes();
    if (use_eight_lanes) return hash_eight_lanes(hash, values, keys);
#endif
    hash_each(hash, values, keys);
}

}  // namespace

void hash_integers(const IntegerHash& hash, std::span<const std::int32_t> values,
                   std::uint64_t* keys) {
    hash_all(hash, values, keys);
}

void hash_integers(const IntegerHash& hash, std::span<const std::int64_t> values,
                   std::uint64_t* keys) {
    hash_all(hash, values, keys);
}

std::uint64_t hash_bytes(std::string_view bytes, std::uint64_t seed) {
    return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

}  // namespace millrace::ml
