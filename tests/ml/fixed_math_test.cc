#include "ml/fixed_math.h"

#include <cmath>
#include <limits>

#include <catch2/catch.hpp>

#include "ml/normal_distribution.h"
#include "runtime/base/random.h"

namespace millrace::ml {
namespace {

TEST_CASE("fixed_exp agrees with the C library over its range", "[ml][fixed_math]") {
    Random random(1);
    for (int i = 0; i < 100'000; ++i) {
        const double x = random.unit() * 1400 - 700;
        REQUIRE(fixed_exp(x) == Approx(std::exp(x)).epsilon(1e-15));
    }
}

TEST_CASE("fixed_exp has limits at both ends and keeps NaN", "[ml][fixed_math]") {
    REQUIRE(fixed_exp(0) == 1);
    REQUIRE(fixed_exp(-1000) == 0);
    REQUIRE(fixed_exp(1000) == std::numeric_limits<double>::infinity());
    REQUIRE(std::isnan(fixed_exp(std::nan(""))));
}

TEST_CASE("fixed_log agrees with the C library over its range", "[ml][fixed_math]") {
    Random random(2);
    REQUIRE(fixed_log(1) == 0);
    for (int i = 0; i < 100'000; ++i) {
        const double x = std::exp2(random.unit() * 2000 - 1000);
        REQUIRE(fixed_log(x) == Approx(std::log(x)).epsilon(1e-15));
        const double near = 0.5 + random.unit();
        REQUIRE(std::abs(fixed_log(near) - std::log(near)) <= 2e-16);
    }
}

TEST_CASE("fixed_log1p keeps small numbers", "[ml][fixed_math]") {
    Random random(3);
    for (int i = 0; i < 10'000; ++i) {
        const double x = std::exp2(random.unit() * 60 - 50);
        REQUIRE(fixed_log1p(x) == Approx(std::log1p(x)).epsilon(2e-15));
    }
    REQUIRE(fixed_log1p(1e-20) == 1e-20);
    REQUIRE(fixed_log1p(-0.5) == Approx(std::log(0.5)).epsilon(1e-15));
}

TEST_CASE("sigmoid clips its margin", "[ml][fixed_math]") {
    REQUIRE(sigmoid(0) == 0.5);
    REQUIRE(sigmoid(1000) == sigmoid(35));
    REQUIRE(sigmoid(-1000) == sigmoid(-35));
    REQUIRE(sigmoid(-35) > 0);
    REQUIRE(sigmoid(2) == Approx(1 / (1 + std::exp(-2.0))).epsilon(1e-15));
}

TEST_CASE("normal_cdf agrees with erfc in the middle and in the tails", "[ml][normal]") {
    for (double t = -20; t <= 8; t += 0.01) {
        CAPTURE(t);
        REQUIRE(normal_cdf(t) == Approx(std::erfc(-t / std::sqrt(2.0)) / 2).epsilon(3e-13));
    }
}

TEST_CASE("normal_quantile undoes normal_cdf", "[ml][normal]") {
    const double p = GENERATE(1e-9, 0.01, 0.1, 0.5, 0.9, 0.999);
    REQUIRE(normal_cdf(normal_quantile(p)) == Approx(p).epsilon(1e-12));
    REQUIRE(normal_quantile(0.1) == Approx(-1.2815515655446004).epsilon(1e-12));
}

TEST_CASE("truncation has the published values, far tail included", "[ml][normal]") {
    struct Value {
        double t, v, w;
    };
    const Value value =
        GENERATE(Value{-1, 1.52513527616, .80090233443}, Value{-5, 5.18650396713, .967303565383},
                 Value{-10, 10.098093234, .990554622174}, Value{-50, 50.0199840319, .999600956813});
    const Truncation cut = truncation(value.t);
    CHECK(cut.v == Approx(value.v).epsilon(1e-11));
    CHECK(cut.w == Approx(value.w).epsilon(1e-11));
}

TEST_CASE("truncation is continuous where its forms meet", "[ml][normal]") {
    const double seam = GENERATE(-5.0, 0.0, -0.25, -2.5, 5.0);
    const Truncation below = truncation(std::nextafter(seam, -100));
    const Truncation above = truncation(std::nextafter(seam, 100));
    CHECK(below.v == Approx(above.v).epsilon(1e-12));
    CHECK(below.w == Approx(above.w).epsilon(1e-10));
    CHECK(below.cdf == Approx(above.cdf).epsilon(1e-12));
}

}  // namespace
}  // namespace millrace::ml
