// Judges predictions of a binary label as they stream by: log loss, AUC, calibration, entropy.
//
//   log loss     sum h l / sum h,  l = -ln p or -ln(1 - p),  p clipped to [1e-15, 1 - 1e-15]
//   entropy      -(c ln c + (1 - c) ln(1 - c)),  c = weighted rate of positives
//   normalized   log loss / entropy: under 1 is better than the constant rate
//   calibration  sum h p / sum h y
//   AUC          sum_b pos_b (neg_{<b} + neg_b / 2) / (P N) over bins b of the logit
//
// Predictions are scored before their row is learned (progressive validation). A number that is not
// defined (no rows, one class only) is absent, never 0.
//
// Threads:    one owner; merge() joins what several owners counted.
// Limits:     kBins bins over logits [-12, 12], the ends taking what lies beyond: 32 KiB an object.
// Failure:    add() leaves out a row that is not finite (a skipped row's score is NaN).

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace millrace::ml {

class BinaryMetrics {
  public:
    static constexpr std::size_t kBins = 2048;

    // Counts prediction `p` of a row with label 0 or 1.
    void add(double p, double label, double weight = 1);
    // Adds what `other` counted; the result is that of all rows, but for the rounding of sums.
    void merge(const BinaryMetrics& other);
    void reset() { *this = BinaryMetrics(); }

    [[nodiscard]] std::uint64_t rows() const { return rows_; }
    [[nodiscard]] double weight() const { return weight_; }
    [[nodiscard]] std::optional<double> log_loss() const;
    // The weighted rate of positives.
    [[nodiscard]] std::optional<double> rate() const;
    // The log loss of always predicting that rate: the number to beat.
    [[nodiscard]] std::optional<double> entropy() const;
    [[nodiscard]] std::optional<double> normalized_entropy() const;
    [[nodiscard]] std::optional<double> calibration() const;
    [[nodiscard]] std::optional<double> auc() const;

  private:
    std::uint64_t rows_ = 0;
    double weight_ = 0;
    double positive_weight_ = 0;
    double predicted_weight_ = 0;  // sum h p
    double loss_ = 0;
    std::array<double, kBins> positives_{};
    std::array<double, kBins> negatives_{};
};

// What one window of rows came to.
struct MetricsReport {
    std::uint64_t rows = 0;
    std::optional<double> log_loss{};
    std::optional<double> auc{};
    std::optional<double> calibration{};
    std::optional<double> normalized_entropy{};
    std::optional<double> rate{};
};
[[nodiscard]] MetricsReport report_of(const BinaryMetrics& metrics);

// Cuts a stream of rows into windows of equal row counts.
class WindowedMetrics {
  public:
    // REQUIRES: rows_per_window > 0.
    explicit WindowedMetrics(std::uint64_t rows_per_window);

    // Counts a row; the report of the window if this row completes it.
    std::optional<MetricsReport> add(double p, double label, double weight = 1);
    // The rows since the last window's end.
    [[nodiscard]] const BinaryMetrics& open_window() const { return window_; }

  private:
    std::uint64_t rows_per_window_;
    BinaryMetrics window_;
};

// A mean that forgets: E = A / B,  A <- h l + a A,  B <- h + a B.
class FadingMean {
  public:
    // REQUIRES: 0 < fade < 1.
    explicit FadingMean(double fade = 0.999);
    void add(double value, double weight = 1);
    [[nodiscard]] std::optional<double> value() const;

  private:
    double fade_;
    double sum_ = 0;
    double weight_ = 0;
};

// -ln p of what happened, p clipped to [1e-15, 1 - 1e-15].
[[nodiscard]] double log_loss_of(double p, double label);

}  // namespace millrace::ml
