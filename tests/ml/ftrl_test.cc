#include "ml/ftrl.h"

#include <cmath>

#include <catch2/catch.hpp>

#include "tests/ml/model_fixture.h"

namespace millrace::ml {
namespace {

std::unique_ptr<Learner> ftrl(const FtrlOptions& options) { return Ftrl::create(options).value(); }

// Two rows by the paper's formulas, in doubles: alpha .5, beta 1, l1 .1, l2 .2.
TEST_CASE("Ftrl follows the closed form and the update of its paper", "[ml][ftrl]") {
    const double alpha = 0.5, beta = 1, l1 = 0.1, l2 = 0.2;
    ModelFixture model(8);
    RowList rows;
    rows.add({{9, 2}}, 1);
    rows.add({{9, 2}}, 1);
    const auto learner = ftrl({.alpha = alpha, .beta = beta, .l1 = l1, .l2 = l2});
    const auto scores = trained_scores(*learner, model.table, rows.rows());

    double z = 0, n = 0, w = 0;
    for (int row = 0; row < 2; ++row) {
        const double p = 1 / (1 + std::exp(-2 * w));
        REQUIRE(scores[static_cast<std::size_t>(row)] == Approx(p).epsilon(1e-6));
        const double g = (p - 1) * 2;
        z += g - (std::sqrt(n + g * g) - std::sqrt(n)) / alpha * w;
        n += g * g;
        w = std::abs(z) <= l1 ? 0
                              : -(z - (z > 0 ? l1 : -l1)) / ((beta + std::sqrt(n)) / alpha + l2);
    }
    REQUIRE(model.table.cells()[9].w == Approx(w).epsilon(1e-6));
    REQUIRE(w != 0);
}

TEST_CASE("Ftrl has a weight of exactly 0 while |z| <= l1, whatever the sign", "[ml][ftrl]") {
    const float label = GENERATE(0.0F, 1.0F);
    ModelFixture model(8);
    RowList rows;
    rows.add({{5, 1}}, label);
    trained_scores(*ftrl({.l1 = 0.5}), model.table, rows.rows());
    REQUIRE(std::abs(model.table.cells()[5].state[0]) == 0.5F);
    REQUIRE(model.table.cells()[5].w == 0.0F);
    trained_scores(*ftrl({.l1 = 0.5}), model.table, rows.rows());
    REQUIRE((model.table.cells()[5].w > 0) == (label == 1));
}

}  // namespace
}  // namespace millrace::ml
