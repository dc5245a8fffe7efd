// Four floats at once, with the same results as four floats one by one.
//
// Every operation is the IEEE one in each lane (SSE2, the baseline of x86-64), so that a formula
// written once as a template gives equal bits for float and Float4.
//
// Threads:    values.
// Failure:    none.

#pragma once

#include <cmath>
#include <cstdint>

#include <emmintrin.h>

#include "ml/table.h"

namespace millrace::ml {

struct Float4 {
    __m128 lanes;

    Float4() : lanes(_mm_setzero_ps()) {}
    explicit Float4(__m128 value) : lanes(value) {}
    explicit Float4(float value) : lanes(_mm_set1_ps(value)) {}

    static Float4 load(const float* from) { return Float4(_mm_loadu_ps(from)); }

    friend Float4 operator+(Float4 a, Float4 b) { return Float4(_mm_add_ps(a.lanes, b.lanes)); }
    friend Float4 operator-(Float4 a, Float4 b) { return Float4(_mm_sub_ps(a.lanes, b.lanes)); }
    friend Float4 operator*(Float4 a, Float4 b) { return Float4(_mm_mul_ps(a.lanes, b.lanes)); }
    friend Float4 operator/(Float4 a, Float4 b) { return Float4(_mm_div_ps(a.lanes, b.lanes)); }
};

inline Float4 root(Float4 a) { return Float4(_mm_sqrt_ps(a.lanes)); }
inline float root(float a) { return _mm_cvtss_f32(_mm_sqrt_ss(_mm_set_ss(a))); }

// a where a > b, else b.
inline Float4 larger(Float4 a, Float4 b) { return Float4(_mm_max_ps(a.lanes, b.lanes)); }
inline float larger(float a, float b) { return a > b ? a : b; }

inline Float4 magnitude(Float4 a) { return Float4(_mm_andnot_ps(_mm_set1_ps(-0.0F), a.lanes)); }
inline float magnitude(float a) { return std::fabs(a); }

// `size` with the sign opposite to that of `of`.
inline Float4 opposite_sign(Float4 size, Float4 of) {
    const __m128 flipped = _mm_andnot_ps(of.lanes, _mm_set1_ps(-0.0F));
    return Float4(_mm_or_ps(size.lanes, flipped));
}
inline float opposite_sign(float size, float of) { return std::copysign(size, -of); }

// x where a > b, else 0.
inline Float4 where_greater(Float4 a, Float4 b, Float4 x) {
    return Float4(_mm_and_ps(_mm_cmpgt_ps(a.lanes, b.lanes), x.lanes));
}
inline float where_greater(float a, float b, float x) { return a > b ? x : 0.0F; }

// x where a == 0, else y.
inline Float4 where_zero(Float4 a, Float4 x, Float4 y) {
    const __m128 zero = _mm_cmpeq_ps(a.lanes, _mm_setzero_ps());
    return Float4(_mm_or_ps(_mm_and_ps(zero, x.lanes), _mm_andnot_ps(zero, y.lanes)));
}
inline float where_zero(float a, float x, float y) { return a == 0.0F ? x : y; }

// True when four slots differ from each other and from the constant feature's: only then may their
// cells be read together and written together.
inline bool four_distinct(const std::uint32_t* slots) {
    const __m128i s = _mm_loadu_si128(reinterpret_cast<const __m128i*>(slots));
    const __m128i next = _mm_shuffle_epi32(s, _MM_SHUFFLE(0, 3, 2, 1));
    const __m128i across = _mm_shuffle_epi32(s, _MM_SHUFFLE(1, 0, 3, 2));
    const __m128i equal =
        _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi32(s, next), _mm_cmpeq_epi32(s, across)),
                     _mm_cmpeq_epi32(s, _mm_setzero_si128()));
    return _mm_movemask_epi8(equal) == 0;
}

// Four cells, turned so that each lane of the table becomes one Float4.
struct FourCells {
    Float4 w, s0, s1, s2;

    FourCells(const Cell* cells, const std::uint32_t* slots) {
        const auto row = [&](int i) {
            return _mm_load_ps(reinterpret_cast<const float*>(cells + slots[i]));
        };
        __m128 a = row(0), b = row(1), c = row(2), d = row(3);
        _MM_TRANSPOSE4_PS(a, b, c, d);
        w.lanes = a;
        s0.lanes = b;
        s1.lanes = c;
        s2.lanes = d;
    }
    void store(Cell* cells, const std::uint32_t* slots) const {
        __m128 a = w.lanes, b = s0.lanes, c = s1.lanes, d = s2.lanes;
        _MM_TRANSPOSE4_PS(a, b, c, d);
        const auto put = [&](int i, __m128 row) {
            _mm_store_ps(reinterpret_cast<float*>(cells + slots[i]), row);
        };
        put(0, a);
        put(1, b);
        put(2, c);
        put(3, d);
    }
};

}  // namespace millrace::ml
