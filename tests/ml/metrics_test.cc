#include "ml/metrics.h"

#include <array>
#include <cmath>
#include <limits>
#include <vector>

#include <catch2/catch.hpp>

#include "runtime/base/random.h"

namespace millrace::ml {
namespace {

TEST_CASE("BinaryMetrics has the published running log loss", "[ml][metrics]") {
    const std::array<double, 4> labels{1, 0, 0, 1};
    const std::array<double, 4> p{.9, .1, .2, .65};
    const std::array<double, 4> running{.105360, .105360, .144621, .216161};
    BinaryMetrics metrics;
    for (std::size_t i = 0; i < 4; ++i) {
        metrics.add(p[i], labels[i]);
        CHECK(*metrics.log_loss() == Approx(running[i]).margin(1e-6));
    }
}

TEST_CASE("BinaryMetrics has the published AUC", "[ml][metrics]") {
    BinaryMetrics metrics;
    metrics.add(.1, 0);
    metrics.add(.4, 0);
    metrics.add(.35, 1);
    metrics.add(.8, 1);
    REQUIRE(*metrics.auc() == 0.75);
}

TEST_CASE("BinaryMetrics counts ties as one half", "[ml][metrics]") {
    BinaryMetrics metrics;
    metrics.add(.3, 0);
    metrics.add(.3, 1);
    REQUIRE(*metrics.auc() == 0.5);
}

TEST_CASE("BinaryMetrics leaves out what is not defined", "[ml][metrics]") {
    BinaryMetrics metrics;
    CHECK_FALSE(metrics.log_loss());
    CHECK_FALSE(metrics.rate());
    CHECK_FALSE(metrics.auc());
    CHECK_FALSE(metrics.calibration());
    metrics.add(.3, 0);
    CHECK(metrics.log_loss());
    CHECK_FALSE(metrics.auc());
    CHECK_FALSE(metrics.entropy());
    CHECK_FALSE(metrics.normalized_entropy());
    CHECK_FALSE(metrics.calibration());
}

TEST_CASE("BinaryMetrics ignores the score of a skipped row", "[ml][metrics]") {
    BinaryMetrics metrics;
    metrics.add(std::numeric_limits<double>::quiet_NaN(), 1);
    metrics.add(.5, std::numeric_limits<double>::infinity());
    REQUIRE(metrics.rows() == 0);
}

TEST_CASE("BinaryMetrics survives certain predictions that are wrong", "[ml][metrics]") {
    BinaryMetrics metrics;
    metrics.add(0, 1);
    metrics.add(1, 0);
    REQUIRE(*metrics.log_loss() == Approx(-std::log(1e-15)).epsilon(1e-3));
    REQUIRE(*metrics.auc() == 0);
}

// By hand: weights 1, 3; p .5, .25; labels 1, 0.
TEST_CASE("BinaryMetrics weighs its rows", "[ml][metrics]") {
    BinaryMetrics metrics;
    metrics.add(.5, 1, 1);
    metrics.add(.25, 0, 3);
    CHECK(*metrics.rate() == Approx(0.25));
    CHECK(*metrics.log_loss() == Approx((std::log(2.0) - 3 * std::log(.75)) / 4));
    CHECK(*metrics.entropy() == Approx(-(.25 * std::log(.25) + .75 * std::log(.75))));
    CHECK(*metrics.normalized_entropy() == Approx(*metrics.log_loss() / *metrics.entropy()));
    CHECK(*metrics.calibration() == Approx((.5 + .75) / 1));
}

double exact_auc(const std::vector<double>& scores, const std::vector<int>& labels) {
    double won = 0;
    double pairs = 0;
    for (std::size_t i = 0; i < scores.size(); ++i) {
        for (std::size_t j = 0; j < scores.size(); ++j) {
            if (labels[i] != 1 || labels[j] != 0) continue;
            pairs += 1;
            won += scores[i] > scores[j] ? 1 : (scores[i] == scores[j] ? 0.5 : 0);
        }
    }
    return won / pairs;
}

TEST_CASE("BinaryMetrics comes within 1e-3 of the exact AUC, merged or not", "[ml][metrics]") {
    const std::uint64_t seed = GENERATE(1U, 2U, 3U);
    CAPTURE(seed);
    Random random(seed);
    std::vector<double> scores;
    std::vector<int> labels;
    BinaryMetrics whole;
    std::array<BinaryMetrics, 2> parts;
    for (int i = 0; i < 2000; ++i) {
        const double p = 1 / (1 + std::exp(-(random.unit() * 8 - 4)));
        const int label = random.unit() < p ? 1 : 0;
        scores.push_back(p);
        labels.push_back(label);
        whole.add(p, label);
        parts[static_cast<std::size_t>(i % 2)].add(p, label);
    }
    CHECK(*whole.auc() == Approx(exact_auc(scores, labels)).margin(1e-3));
    parts[0].merge(parts[1]);
    CHECK(parts[0].rows() == 2000);
    CHECK(*parts[0].auc() == *whole.auc());
    CHECK(*parts[0].log_loss() == Approx(*whole.log_loss()).epsilon(1e-12));
    CHECK(*parts[0].calibration() == Approx(*whole.calibration()).epsilon(1e-12));
}

TEST_CASE("WindowedMetrics reports each window apart from the others", "[ml][metrics]") {
    WindowedMetrics windows(2);
    REQUIRE_FALSE(windows.add(.9, 1));
    const auto first = windows.add(.9, 1);
    REQUIRE(first);
    CHECK(first->rows == 2);
    CHECK(*first->log_loss == Approx(-std::log(.9)));
    CHECK_FALSE(first->auc);
    REQUIRE_FALSE(windows.add(.2, 0));
    const auto second = windows.add(.6, 1);
    REQUIRE(second);
    CHECK(*second->log_loss == Approx(-(std::log(.8) + std::log(.6)) / 2));
    CHECK(*second->auc == 1);
    CHECK(windows.open_window().rows() == 0);
}

TEST_CASE("FadingMean forgets by its factor", "[ml][metrics]") {
    FadingMean mean(0.5);
    CHECK_FALSE(mean.value());
    mean.add(4);
    mean.add(1);
    mean.add(2, 3);
    CHECK(*mean.value() == Approx((3 * 2 + .5 * 1 + .25 * 4) / (3 + .5 + .25)));
}

}  // namespace
}  // namespace millrace::ml
