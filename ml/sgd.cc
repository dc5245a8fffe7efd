#include "ml/sgd.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>

#include "ml/fixed_math.h"
#include "ml/hash.h"
#include "ml/learner_kernel.h"
#include "ml/option_check.h"
#include "ml/settings_hash.h"

namespace millrace::ml {
namespace {

constexpr double kScaleMin = 1e-9;

double exact(const Cell& cell) {
    return std::bit_cast<double>(std::array<float, 2>{cell.state[1], cell.state[2]});
}

void set_exact(Cell& cell, double v) {
    const auto halves = std::bit_cast<std::array<float, 2>>(v);
    cell.w = static_cast<float>(v);
    cell.state[1] = halves[0];
    cell.state[2] = halves[1];
}

// s sum v_i x_i + the constant feature's weight, which no factor shrinks.
template <bool kOnes, class WeightAt>
double margin_of(const Row<kOnes>& row, double scale, const WeightAt& weight_at) {
    double constant = 0;
    const double sum = interleaved_sum<double>(row.count, [&](std::uint32_t i) {
        const double term = weight_at(row.slots[i]) * static_cast<double>(row.value(i));
        if (row.slots[i] != kBiasSlot) return term;
        constant += term;
        return 0.0;
    });
    return scale * sum + constant;
}

class SgdRule {
  public:
    SgdRule(const SgdOptions& options, Table& table)
        : options_(options),
          table_(table),
          cells_(table.cells().data()),
          dirty_(table.dirty()),
          scalars_(table.scalars()) {}

    template <bool kOnes>
    bool learn(const Row<kOnes>& row, float label, float weight, float& score) {
        const double margin = margin_of(row, scalars_.scale,
                                        [this](std::uint32_t slot) { return exact(cells_[slot]); });
        if (!std::isfinite(margin)) return false;
        const double p = predicted(options_.loss, margin);
        const double slope = static_cast<double>(weight) *
                             loss_derivative(options_.loss, p, static_cast<double>(label));
        if (!gradient_allowed(row, slope)) return false;
        score = static_cast<float>(p);
        ++scalars_.steps;
        update(row, rate_now(), slope);
        return true;
    }

  private:
    [[nodiscard]] double rate_now() const {
        if (options_.schedule == SgdOptions::Schedule::kConstant) return options_.rate;
        const double t = static_cast<double>(scalars_.steps);
        return options_.rate * fixed_exp(-options_.power * fixed_log(t));
    }

    template <bool kOnes>
    void update(const Row<kOnes>& row, double rate, double slope) {
        scalars_.scale *= 1 - rate * options_.l2;
        if (scalars_.scale < kScaleMin) multiply_out();
        const double step = rate * slope / scalars_.scale;
        const double bias_step = (options_.bias_rate > 0 ? options_.bias_rate : rate) * slope;
        for (std::uint32_t i = 0; i < row.count; ++i) {
            const std::uint32_t slot = row.slots[i];
            Cell& cell = cells_[slot];
            const double x = static_cast<double>(row.value(i));
            set_exact(cell, exact(cell) - (slot == kBiasSlot ? bias_step : step) * x);
            dirty_.mark(slot);
        }
    }

    void multiply_out() {
        for (Cell& cell : table_.cells().subspan(kBiasSlot + 1)) {
            set_exact(cell, exact(cell) * scalars_.scale);
        }
        scalars_.scale = 1;
        table_.mark_all_dirty();
    }

    const SgdOptions& options_;
    Table& table_;
    Cell* const cells_;
    DirtyLines dirty_;
    ModelScalars& scalars_;
};

class SgdScore {
  public:
    SgdScore(const ServingView& view, Loss loss, double scale)
        : view_(view), loss_(loss), scale_(scale) {}

    template <bool kOnes>
    [[nodiscard]] Scored score(const Row<kOnes>& row) const {
        const double margin = margin_of(row, scale_, [this](std::uint32_t slot) {
            return static_cast<double>(view_.weight(slot));
        });
        return {.score = static_cast<float>(predicted(loss_, margin))};
    }

  private:
    const ServingView& view_;
    const Loss loss_;
    const double scale_;
};

}  // namespace

Result<std::unique_ptr<Learner>> Sgd::create(const SgdOptions& options) {
    MILLRACE_TRY(require_positive("rate", options.rate));
    MILLRACE_TRY(require_not_negative("l2", options.l2));
    MILLRACE_TRY(require_between("power", options.power, 0, 2));
    MILLRACE_TRY(require_not_negative("bias_rate", options.bias_rate));
    if (options.rate * options.l2 >= 1) {
        return fail(Code::kInvalidOption, "rate * l2 must be < 1, is {}",
                    options.rate * options.l2);
    }
    return std::make_unique<Sgd>(options);
}

std::uint64_t Sgd::settings_hash() const {
    return settings_hash_of(
        name(), {options_.rate, static_cast<double>(options_.schedule), options_.power, options_.l2,
                 static_cast<double>(options_.loss), options_.bias_rate});
}

std::uint64_t Sgd::identity_hash() const {
    return hash_bytes("sgd 1", static_cast<std::uint64_t>(options_.loss));
}

bool Sgd::cells_valid(std::span<const Cell> cells) const {
    return std::ranges::all_of(cells, [](const Cell& cell) {
        return std::isfinite(cell.w) && std::isfinite(exact(cell));
    });
}

RowCounts Sgd::train_rows(Table& table, const SparseRows& rows, std::span<float> scores) const {
    SgdRule rule(options_, table);
    return train_with(rule, label_rule(), table, rows, scores);
}

void Sgd::predict_rows(const ServingView& view, const SparseRows& rows, std::span<float> scores,
                       std::span<float> variances) const {
    predict_with(
        [&](const ModelScalars& scalars) { return SgdScore(view, options_.loss, scalars.scale); },
        view, rows, scores, variances);
}

double Sgd::weight(const Table& table, std::uint32_t slot) {
    const double v = exact(table.cells()[slot]);
    return slot == kBiasSlot ? v : v * table.scalars().scale;
}

}  // namespace millrace::ml
