#include "ml/metrics.h"

#include <algorithm>
#include <cmath>

#include "ml/fixed_math.h"
#include "runtime/base/check.h"

namespace millrace::ml {
namespace {

constexpr double kClip = 1e-15;
constexpr double kLogitMax = 12;

double clipped(double p) { return std::clamp(p, kClip, 1 - kClip); }

std::size_t bin_of(double logit) {
    constexpr double per_unit = static_cast<double>(BinaryMetrics::kBins) / (2 * kLogitMax);
    const double bin = (logit + kLogitMax) * per_unit;
    return static_cast<std::size_t>(
        std::clamp(bin, 0.0, static_cast<double>(BinaryMetrics::kBins - 1)));
}

}  // namespace

double log_loss_of(double p, double label) {
    const double q = clipped(p);
    return -fixed_log(label > 0.5 ? q : 1 - q);
}

void BinaryMetrics::add(double p, double label, double weight) {
    if (!std::isfinite(p) || !std::isfinite(label) || !std::isfinite(weight)) return;
    const double q = clipped(p);
    const double ln_p = fixed_log(q);
    const double ln_not_p = fixed_log(1 - q);
    const bool positive = label > 0.5;
    ++rows_;
    weight_ += weight;
    predicted_weight_ += weight * p;
    loss_ -= weight * (positive ? ln_p : ln_not_p);
    if (positive) positive_weight_ += weight;
    (positive ? positives_ : negatives_)[bin_of(ln_p - ln_not_p)] += weight;
}

void BinaryMetrics::merge(const BinaryMetrics& other) {
    rows_ += other.rows_;
    weight_ += other.weight_;
    positive_weight_ += other.positive_weight_;
    predicted_weight_ += other.predicted_weight_;
    loss_ += other.loss_;
    for (std::size_t b = 0; b < kBins; ++b) {
        positives_[b] += other.positives_[b];
        negatives_[b] += other.negatives_[b];
    }
}

std::optional<double> BinaryMetrics::log_loss() const {
    if (!(weight_ > 0)) return std::nullopt;
    return loss_ / weight_;
}

std::optional<double> BinaryMetrics::rate() const {
    if (!(weight_ > 0)) return std::nullopt;
    return positive_weight_ / weight_;
}

std::optional<double> BinaryMetrics::entropy() const {
    const std::optional<double> c = rate();
    if (!c || !(*c > 0) || !(*c < 1)) return std::nullopt;
    return -(*c * fixed_log(*c) + (1 - *c) * fixed_log(1 - *c));
}

std::optional<double> BinaryMetrics::normalized_entropy() const {
    const std::optional<double> h = entropy();
    if (!h) return std::nullopt;
    return *log_loss() / *h;
}

std::optional<double> BinaryMetrics::calibration() const {
    if (!(positive_weight_ > 0)) return std::nullopt;
    return predicted_weight_ / positive_weight_;
}

std::optional<double> BinaryMetrics::auc() const {
    double positives = 0;
    double negatives_below = 0;
    double won = 0;
    for (std::size_t b = 0; b < kBins; ++b) {
        won += positives_[b] * (negatives_below + negatives_[b] / 2);
        positives += positives_[b];
        negatives_below += negatives_[b];
    }
    if (!(positives > 0) || !(negatives_below > 0)) return std::nullopt;
    return won / (positives * negatives_below);
}

MetricsReport report_of(const BinaryMetrics& metrics) {
    return {.rows = metrics.rows(),
            .log_loss = metrics.log_loss(),
            .auc = metrics.auc(),
            .calibration = metrics.calibration(),
            .normalized_entropy = metrics.normalized_entropy(),
            .rate = metrics.rate()};
}

WindowedMetrics::WindowedMetrics(std::uint64_t rows_per_window)
    : rows_per_window_(rows_per_window) {
    MILLRACE_CHECK_GT(rows_per_window, 0U);
}

std::optional<MetricsReport> WindowedMetrics::add(double p, double label, double weight) {
    window_.add(p, label, weight);
    if (window_.rows() < rows_per_window_) return std::nullopt;
    const MetricsReport report = report_of(window_);
    window_.reset();
    return report;
}

FadingMean::FadingMean(double fade) : fade_(fade) { MILLRACE_CHECK(fade > 0 && fade < 1); }

void FadingMean::add(double value, double weight) {
    if (!std::isfinite(value) || !std::isfinite(weight)) return;
    sum_ = weight * value + fade_ * sum_;
    weight_ = weight + fade_ * weight_;
}

std::optional<double> FadingMean::value() const {
    if (!(weight_ > 0)) return std::nullopt;
    return sum_ / weight_;
}

}  // namespace millrace::ml
