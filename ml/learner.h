// What every learner is: a rule that turns a table and a row into a score and a better table.
//
// A Learner is its options and nothing else; all that it learns lives in the Table it is handed.
// train_rows() applies rows strictly one by one: predict, hand out the score, then learn.
// predict_rows() reads the serving view. Both are called per batch; the loop over rows is inlined
// per learner (learner_kernel.h).
//
// Threads:    immutable after creation; the caller holds the table's token for train_rows().
// Failure:    a row with a label, weight, value or update that is not allowed is skipped and
//             counted before any cell is touched; its score is NaN. Options out of range are
//             refused at creation, with the inequality that they break.

#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "ml/label_rule.h"
#include "ml/serving_view.h"
#include "ml/sparse_rows.h"
#include "ml/table.h"

namespace millrace::ml {

class Learner {
  public:
    virtual ~Learner() = default;
    Learner() = default;
    Learner(const Learner&) = delete;
    Learner& operator=(const Learner&) = delete;

    // The word in the job file.
    [[nodiscard]] virtual std::string_view name() const = 0;
    // What gives a cell its meaning: name, form, loss. A snapshot with another one is refused.
    [[nodiscard]] virtual std::uint64_t identity_hash() const = 0;
    // All options: what cells cache is worked out anew (rederive) when only this differs.
    [[nodiscard]] virtual std::uint64_t settings_hash() const = 0;
    [[nodiscard]] virtual LabelRule label_rule() const = 0;
    // True: scores are probabilities; false: the score is the predicted number.
    [[nodiscard]] virtual bool scores_are_probabilities() const = 0;
    [[nodiscard]] virtual ServingView::Lanes view_lanes() const {
        return ServingView::Lanes::kWeight;
    }

    // Whether a restored cell can be one of this learner's. A NaN never is.
    [[nodiscard]] virtual bool cells_valid(std::span<const Cell> cells) const;

    // Writes what makes an empty table this learner's version 0. `active_features` is how many
    // entries a row has, the constant feature included.
    virtual void set_prior(Table& table, double active_features) const {
        static_cast<void>(table);
        static_cast<void>(active_features);
    }
    // Recomputes what cells cache of the options; called after a restore under other rates.
    virtual void rederive(Table& table) const { static_cast<void>(table); }

    // Scores and learns rows in order; scores[r] is what row r got before it was learned.
    // REQUIRES: scores.size() == rows.row_count; rows.labels; every slot below 2^bits. Values of
    // standardized columns have been transformed (Table::scaler()).
    virtual RowCounts train_rows(Table& table, const SparseRows& rows,
                                 std::span<float> scores) const = 0;

    // Scores rows from the view. `variances` gets the margin's variance from learners that know it,
    // else 0; it may be empty.
    // REQUIRES: scores.size() == rows.row_count; every slot below 2^bits.
    virtual void predict_rows(const ServingView& view, const SparseRows& rows,
                              std::span<float> scores, std::span<float> variances) const = 0;
};

}  // namespace millrace::ml
