// The normal distribution as Bayesian probit learners need it, with the same bits on every machine.
//
// Everything comes from Mills' ratio M(x) = Phi(-x)/N(x), x >= 0: a table of Taylor expansions up
// to 5, a continued fraction above. So Phi(t) and N(t)/Phi(t) never cancel and never divide 0 by 0,
// for any t; relative errors stay under 1e-13 while Phi is not denormal.
//
// Threads:    any.
// Failure:    none; NaN in gives NaN out.

#pragma once

namespace millrace::ml {

// Phi(t)
[[nodiscard]] double normal_cdf(double t);

// The t with Phi(t) = p. REQUIRES: 0 < p < 1.
[[nodiscard]] double normal_quantile(double p);

// The corrections of a Gaussian that is cut at 0: v(t) = N(t)/Phi(t), w(t) = v (v + t), and Phi(t).
struct Truncation {
    double cdf;
    double v;
    double w;
};
[[nodiscard]] Truncation truncation(double t);

}  // namespace millrace::ml
