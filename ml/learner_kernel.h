// The loops over rows that all learners share; a learner brings its rule, which is inlined.
//
// A training rule has
//   template <bool kOnes> bool learn(const Row<kOnes>&, float label, float weight, float& score)
// which returns false, having touched nothing, when the row asks for an update that is not finite.
// A predicting rule has
//   template <bool kOnes> Scored score(const Row<kOnes>&) const
//
// Threads:    as Learner says.
// Failure:    a slot outside the table is our bug and aborts before anything is touched.

#pragma once

#include <cstdint>
#include <limits>
#include <span>

#include "ml/prefetch.h"
#include "ml/sparse_rows.h"
#include "ml/table.h"
#include "runtime/base/check.h"

namespace millrace::ml {

// Cells are asked for this many rows before their turn: memory answers in about that time.
constexpr std::uint32_t kPrefetchRows = 8;

// The largest |gradient of one entry| that is applied. Its square is far from overflow, and adding
// such squares to a float stops changing it long before infinity: so no cell can become infinite.
constexpr double kGradientMax = 1e15;

template <bool kOnes>
struct Row {
    const std::uint32_t* slots;
    const float* values;
    std::uint32_t count;

    [[nodiscard]] float value(std::uint32_t i) const {
        if constexpr (kOnes) {
            return 1.0F;
        } else {
            return values[i];
        }
    }
};

struct Scored {
    float score = 0;
    float variance = 0;
};

// sum over i of term(i), in four fixed interleaved sums, so that additions do not wait for each
// other and the result does not depend on the compiler.
template <class T, class Term>
[[gnu::always_inline]] inline T interleaved_sum(std::uint32_t count, const Term& term) {
    T a{}, b{}, c{}, d{};
    std::uint32_t i = 0;
    for (; i + 4 <= count; i += 4) {
        a += term(i);
        b += term(i + 1);
        c += term(i + 2);
        d += term(i + 3);
    }
    if (i < count) a += term(i);
    if (i + 1 < count) b += term(i + 1);
    if (i + 2 < count) c += term(i + 2);
    return (a + b) + (c + d);
}

// The largest |value| of a row; 1 without values.
template <bool kOnes>
float largest_value(const Row<kOnes>& row) {
    float largest = 1.0F;
    if constexpr (!kOnes) {
        for (std::uint32_t i = 0; i < row.count; ++i) {
            const float size = row.values[i] < 0 ? -row.values[i] : row.values[i];
            largest = size > largest ? size : largest;
        }
    }
    return largest;
}

// Whether the gradient may be applied to this row; false for NaN too.
template <bool kOnes>
bool gradient_allowed(const Row<kOnes>& row, double gradient) {
    const double size = gradient < 0 ? -gradient : gradient;
    return size * static_cast<double>(largest_value(row)) <= kGradientMax;
}

template <bool kOnes>
Row<kOnes> row_of(const SparseRows& rows, std::uint32_t r) {
    const std::int32_t begin = rows.offsets[r];
    return {.slots = rows.slots + begin,
            .values = kOnes ? nullptr : rows.values + begin,
            .count = static_cast<std::uint32_t>(rows.offsets[r + 1] - begin)};
}

inline void check_slots(const SparseRows& rows, std::uint32_t mask) {
    std::uint32_t all = 0;
    for (std::int32_t i = rows.offsets[0]; i < rows.offsets[rows.row_count]; ++i) {
        all |= rows.slots[i];
    }
    MILLRACE_CHECK_LE(all, mask);
}

template <class Prefetch>
void prefetch_row(const SparseRows& rows, std::uint32_t r, const Prefetch& prefetch) {
    if (r >= rows.row_count) return;
    for (std::int32_t i = rows.offsets[r]; i < rows.offsets[r + 1]; ++i) prefetch(rows.slots[i]);
}

template <bool kOnes, class Rule>
void train_one(Rule& rule, LabelRule labels, const SparseRows& rows, std::uint32_t r, float& score,
               RowCounts& counts) {
    const float label = rows.labels[r];
    const float weight = rows.weights == nullptr ? 1.0F : rows.weights[r];
    score = std::numeric_limits<float>::quiet_NaN();
    if (!label_allowed(label, labels)) {
        ++counts.skipped_label;
    } else if (!weight_allowed(weight)) {
        ++counts.skipped_weight;
    } else if (!rule.template learn<kOnes>(row_of<kOnes>(rows, r), label, weight, score)) {
        ++counts.skipped_features;
    } else {
        ++counts.learned;
    }
}

template <bool kOnes, class Rule>
RowCounts train_loop(Rule& rule, LabelRule labels, Table& table, const SparseRows& rows,
                     std::span<float> scores) {
    RowCounts counts;
    Cell* const cells = table.cells().data();
    const auto prefetch = [cells](std::uint32_t slot) { prefetch_line_to_write(cells + slot); };
    for (std::uint32_t r = 0; r < kPrefetchRows; ++r) prefetch_row(rows, r, prefetch);
    for (std::uint32_t r = 0; r < rows.row_count; ++r) {
        prefetch_row(rows, r + kPrefetchRows, prefetch);
        train_one<kOnes>(rule, labels, rows, r, scores[r], counts);
    }
    return counts;
}

template <class Rule>
RowCounts train_with(Rule& rule, LabelRule labels, Table& table, const SparseRows& rows,
                     std::span<float> scores) {
    MILLRACE_CHECK_EQ(scores.size(), rows.row_count);
    if (rows.row_count == 0) return {};
    check_slots(rows, table.mask());
    const RowCounts counts = rows.values == nullptr
                                 ? train_loop<true>(rule, labels, table, rows, scores)
                                 : train_loop<false>(rule, labels, table, rows, scores);
    table.counts() += counts;
    return counts;
}

template <bool kOnes, class Rule>
void predict_loop(const Rule& rule, const ServingView& view, const SparseRows& rows,
                  std::span<float> scores, std::span<float> variances) {
    const auto prefetch = [&view](std::uint32_t slot) { view.prefetch(slot); };
    for (std::uint32_t r = 0; r < kPrefetchRows; ++r) prefetch_row(rows, r, prefetch);
    for (std::uint32_t r = 0; r < rows.row_count; ++r) {
        prefetch_row(rows, r + kPrefetchRows, prefetch);
        const Scored scored = rule.template score<kOnes>(row_of<kOnes>(rows, r));
        scores[r] = scored.score;
        if (!variances.empty()) variances[r] = scored.variance;
    }
}

// `make_rule(const ModelScalars&)` makes the rule for one pass; it is made again if the model's
// scale changed meanwhile.
template <class MakeRule>
void predict_with(const MakeRule& make_rule, const ServingView& view, const SparseRows& rows,
                  std::span<float> scores, std::span<float> variances) {
    MILLRACE_CHECK_EQ(scores.size(), rows.row_count);
    MILLRACE_CHECK(variances.empty() || variances.size() == scores.size());
    if (rows.row_count == 0) return;
    check_slots(rows, static_cast<std::uint32_t>((std::uint64_t{1} << view.bits()) - 1));
    ServingView::Scalars scalars;
    do {
        scalars = view.scalars();
        const auto rule = make_rule(scalars.model);
        if (rows.values == nullptr) {
            predict_loop<true>(rule, view, rows, scores, variances);
        } else {
            predict_loop<false>(rule, view, rows, scores, variances);
        }
    } while (!view.still_valid(scalars));
}

}  // namespace millrace::ml
