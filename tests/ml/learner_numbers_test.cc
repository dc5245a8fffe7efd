// Small sequences with published or hand-worked numbers: sgd, adagrad, adpredictor, losses.

#include <array>
#include <cmath>
#include <vector>

#include <catch2/catch.hpp>

#include "ml/adagrad.h"
#include "ml/adpredictor.h"
#include "ml/ftrl.h"
#include "ml/sgd.h"
#include "tests/ml/model_fixture.h"

namespace millrace::ml {
namespace {

std::unique_ptr<Learner> sgd(const SgdOptions& options) { return Sgd::create(options).value(); }
std::unique_ptr<Learner> adagrad(const AdaGradOptions& options) {
    return AdaGrad::create(options).value();
}

using Entries = std::vector<RowList::Entry>;

// Learns the same row with label 0 three times; the three predictions before learning.
std::vector<float> three_rows(const Learner& learner, const Entries& row, float weight = 1) {
    ModelFixture model(8);
    RowList rows;
    for (int i = 0; i < 3; ++i) rows.add(row, 0, weight);
    return trained_scores(learner, model.table, rows.rows());
}

void check_scores(const std::vector<float>& scores, std::array<double, 3> expected) {
    for (std::size_t i = 0; i < 3; ++i) {
        CAPTURE(i);
        CHECK(scores[i] == Approx(expected[i]).margin(1e-6));
    }
}

// Fwumious Wabbit's tests: AdaGrad with rate .1 and nothing beside the root, SGD with rate .1.
TEST_CASE("AdaGrad and Sgd predict Fwumious Wabbit's sequences", "[ml][adagrad][sgd]") {
    const auto adaptive = adagrad({.rate = 0.1, .epsilon = 0});
    const auto plain = sgd({.rate = 0.1});
    check_scores(three_rows(*adaptive, {{5, 1}}), {.5, .4750208, .45788094});
    check_scores(three_rows(*plain, {{5, 1}}), {.5, .48750263, .47533244});
    check_scores(three_rows(*plain, {{5, 2}}), {.5, .45016602, .40611085});
    check_scores(three_rows(*plain, {{5, 1}}, 0.5F), {.5, .49375027, .4875807});
}

TEST_CASE("Sgd applies two entries of one slot one after the other", "[ml][sgd]") {
    check_scores(three_rows(*sgd({.rate = 0.1}), {{5, 1}, {5, 2}}), {.5, .38936076, .30993468});
}

TEST_CASE("AdaGrad learns two features together and uses one alone", "[ml][adagrad]") {
    ModelFixture model(8);
    RowList rows;
    rows.add({{5, 1}, {6, 1}}, 0);
    rows.add({{5, 1}, {6, 1}}, 0);
    rows.add({{5, 1}}, 0);
    check_scores(trained_scores(*adagrad({.rate = 0.1, .epsilon = 0}), model.table, rows.rows()),
                 {.5, .45016602, .45836908});
}

// l = (p - y)^2 with p .4, y .5: derivative -.2; a plain step of rate .1 moves m by .02.
TEST_CASE("squared losses move as published", "[ml][loss]") {
    CHECK(loss_derivative(Loss::kSquared, 0.4, 0.5) == Approx(-0.2).epsilon(1e-12));
    CHECK(loss_derivative(Loss::kHalfSquared, 0.4, 0.5) == Approx(-0.1).epsilon(1e-12));
    ModelFixture model(8);
    RowList first;
    first.add({{5, 1}}, 0.5F);
    model.table.cells()[5] = {};
    const auto learner = sgd({.rate = 0.1, .loss = Loss::kSquared});
    trained_scores(*learner, model.table, first.rows());
    CHECK(Sgd::weight(model.table, 5) == Approx(0.1).epsilon(1e-12));
}

TEST_CASE("every loss has the derivative that its finite difference has", "[ml][loss]") {
    const Loss loss = GENERATE(Loss::kLogistic, Loss::kSquared, Loss::kHalfSquared);
    const double y = GENERATE(0.0, 1.0);
    const double m = GENERATE(-3.0, -0.2, 0.0, 0.7, 4.0);
    const auto value = [&](double margin) {
        if (loss == Loss::kLogistic) return std::log1p(std::exp(y > 0 ? -margin : margin));
        return (margin - y) * (margin - y) * (loss == Loss::kSquared ? 1 : 0.5);
    };
    const double difference = (value(m + 1e-5) - value(m - 1e-5)) / 2e-5;
    CHECK(loss_derivative(loss, predicted(loss, m), y) == Approx(difference).margin(1e-8));
}

// scikit-learn's SGDClassifier without shuffling, one pass: w *= 1 - eta l2, then the gradient; the
// intercept is not regularised. Worked here in doubles on 100 dense rows.
TEST_CASE("Sgd equals scikit-learn's updates to 1e-9", "[ml][sgd]") {
    struct Setting {
        SgdOptions options;
    };
    const SgdOptions options =
        GENERATE(SgdOptions{.rate = 0.01}, SgdOptions{.rate = 0.01, .l2 = 1e-3},
                 SgdOptions{.rate = 0.1,
                            .schedule = SgdOptions::Schedule::kInverseScaling,
                            .power = 0.25,
                            .l2 = 1e-3},
                 SgdOptions{.rate = 0.01, .l2 = 1e-3, .loss = Loss::kHalfSquared},
                 SgdOptions{.rate = 0.5, .l2 = 1.9});
    ModelFixture model(8);
    RowList rows;
    std::array<double, 3> w{};
    double intercept = 0;
    for (int r = 0; r < 100; ++r) {
        // Exact in float, so that both sides see the same numbers.
        const std::array<double, 3> x{(r * 37 % 64) / 16.0 - 2, (r * 11 % 32) / 8.0 - 2,
                                      (r * 5 % 16) / 4.0 - 2};
        const double y = (r * 29 % 7) < 3 ? 1 : 0;
        rows.add({{kBiasSlot, 1},
                  {1, static_cast<float>(x[0])},
                  {2, static_cast<float>(x[1])},
                  {3, static_cast<float>(x[2])}},
                 static_cast<float>(y));
        double m = intercept;
        for (std::size_t i = 0; i < 3; ++i) m += w[i] * x[i];
        const double p = options.loss == Loss::kLogistic ? 1 / (1 + std::exp(-m)) : m;
        const bool constant = options.schedule == SgdOptions::Schedule::kConstant;
        const double eta =
            constant ? options.rate : options.rate / std::pow(r + 1.0, options.power);
        for (std::size_t i = 0; i < 3; ++i) {
            w[i] = w[i] * (1 - eta * options.l2) - eta * (p - y) * x[i];
        }
        intercept -= eta * (p - y);
    }
    trained_scores(*sgd(options), model.table, rows.rows());
    CHECK(Sgd::weight(model.table, kBiasSlot) == Approx(intercept).margin(1e-9));
    for (std::size_t i = 0; i < 3; ++i) {
        CAPTURE(i);
        CHECK(Sgd::weight(model.table, static_cast<std::uint32_t>(i) + 1) ==
              Approx(w[i]).margin(1e-9));
    }
}

TEST_CASE("Sgd serves the same weights after its shrink factor was multiplied out", "[ml][sgd]") {
    ModelFixture model(8);
    RowList rows;
    for (int r = 0; r < 40; ++r) rows.add({{5, 1}, {kBiasSlot, 1}}, r % 2 == 0 ? 1.0F : 0.0F);
    const auto learner = sgd({.rate = 0.5, .l2 = 1});
    bool multiplied_out = false;
    double scale = 1;
    for (std::uint32_t r = 0; r < 40; ++r) {
        trained_scores(*learner, model.table, rows.rows().slice(r, 1));
        multiplied_out = multiplied_out || model.table.scalars().scale > scale;
        scale = model.table.scalars().scale;
        model.table.publish(model.view);
        const float served = predicted_scores(*learner, model.view, rows.rows().slice(0, 1))[0];
        const double margin = Sgd::weight(model.table, 5) + Sgd::weight(model.table, kBiasSlot);
        REQUIRE(served == Approx(1 / (1 + std::exp(-margin))).margin(1e-6));
    }
    REQUIRE(multiplied_out);
}

TEST_CASE("Ftrl without L1 and L2 is AdaGrad with beta beside the root", "[ml][ftrl][adagrad]") {
    ModelFixture one(8);
    ModelFixture other(8);
    RowList rows;
    for (int r = 0; r < 500; ++r) {
        const auto slot = static_cast<std::uint32_t>(1 + r * 7 % 11);
        rows.add({{kBiasSlot, 1}, {slot, 1}, {20 + slot % 3, 0.5F}}, r * 31 % 5 < 2 ? 1.0F : 0.0F);
    }
    const auto ftrl = Ftrl::create({.alpha = 0.2, .beta = 1}).value();
    const auto scores = trained_scores(*ftrl, one.table, rows.rows());
    const auto same =
        trained_scores(*adagrad({.rate = 0.2, .epsilon = 0, .beta = 1}), other.table, rows.rows());
    for (std::size_t r = 0; r < scores.size(); ++r) {
        REQUIRE(scores[r] == Approx(same[r]).margin(2e-6));
    }
}

TEST_CASE("AdPredictor has the published posterior after each row", "[ml][adpredictor]") {
    ModelFixture model(8, ServingView::Lanes::kMeanAndVariance);
    const auto learner = AdPredictor::create({.beta = 1, .prior_variance = 1}).value();
    struct Step {
        float label;
        double p, mean, variance;
    };
    const std::array<Step, 3> steps{Step{1, .5, .5641895835, .6816901138},
                                    Step{0, .6682416242, -.0108537911, .4825276278},
                                    Step{0, .4964438148, -.3248075324, .3828515868}};
    for (const Step& step : steps) {
        RowList row;
        row.add({{5, 1}}, step.label);
        CHECK(trained_scores(*learner, model.table, row.rows())[0] == Approx(step.p).margin(1e-6));
        CHECK(model.table.cells()[5].w == Approx(step.mean).margin(1e-6));
        CHECK(model.table.cells()[5].state[0] == Approx(step.variance).margin(1e-6));
    }
}

// s2' = s2 v0/((1 - eps) v0 + eps s2), mu' = s2' ((1 - eps) mu/s2 + eps m0/v0), from (.8, .05).
TEST_CASE("AdPredictor's weights move back to their prior as published", "[ml][adpredictor]") {
    ModelFixture model(8, ServingView::Lanes::kMeanAndVariance);
    const auto learner =
        AdPredictor::create({.beta = 1e6, .prior_variance = 1, .epsilon = 0.01}).value();
    model.table.cells()[5] = {.w = 0.8F, .state = {0.05F, 0, 0}};
    // With so much noise the row itself teaches nothing: only the dynamics are left.
    RowList row;
    row.add({{5, 1}}, 1);
    trained_scores(*learner, model.table, row.rows());
    CHECK(model.table.cells()[5].w == Approx(.7995961635).margin(1e-6));
    CHECK(model.table.cells()[5].state[0] == Approx(.0504795558).margin(1e-6));
}

TEST_CASE("AdPredictor predicts its prior rate at version 0", "[ml][adpredictor]") {
    ModelFixture model(8, ServingView::Lanes::kMeanAndVariance);
    const auto learner = AdPredictor::create({.prior_variance = 0.3, .prior_rate = 0.07}).value();
    learner->set_prior(model.table, 4);
    model.table.publish(model.view);
    RowList row;
    row.add({{kBiasSlot, 1}, {5, 1}, {6, 1}, {7, 1}}, 0);
    REQUIRE(model.view.version() == 0);
    std::vector<float> scores(1);
    std::vector<float> variances(1);
    learner->predict_rows(model.view, row.rows(), scores, variances);
    CHECK(scores[0] == Approx(0.07).margin(1e-6));
    CHECK(variances[0] == Approx(4 * 0.3).margin(1e-6));
}

TEST_CASE("AdPredictor counts a row of weight h as h rows seen at once", "[ml][adpredictor]") {
    // Precision and precision-mean of one factor, times 3, by hand from the first published step.
    const double precision = 1 / .6816901138;
    const double precision_mean = .5641895835 * precision;
    const double tripled = 1 + 3 * (precision - 1);
    ModelFixture model(8, ServingView::Lanes::kMeanAndVariance);
    const auto learner = AdPredictor::create({.beta = 1, .prior_variance = 1}).value();
    RowList row;
    row.add({{5, 1}}, 1, 3);
    trained_scores(*learner, model.table, row.rows());
    CHECK(model.table.cells()[5].state[0] == Approx(1 / tripled).margin(1e-6));
    CHECK(model.table.cells()[5].w == Approx(3 * precision_mean / tripled).margin(1e-6));
}

}  // namespace
}  // namespace millrace::ml
