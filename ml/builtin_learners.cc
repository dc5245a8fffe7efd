#include "ml/builtin_learners.h"

#include <array>

namespace millrace::ml {
namespace {

Result<std::unique_ptr<Learner>> create(const SgdOptions& options) { return Sgd::create(options); }
Result<std::unique_ptr<Learner>> create(const FtrlOptions& options) {
    return Ftrl::create(options);
}
Result<std::unique_ptr<Learner>> create(const AdaGradOptions& options) {
    return AdaGrad::create(options);
}
Result<std::unique_ptr<Learner>> create(const AdPredictorOptions& options) {
    return AdPredictor::create(options);
}

}  // namespace

std::span<const BuiltinLearner> builtin_learners() {
    static const std::array<BuiltinLearner, 4> learners{{
        {"sgd", "Stochastic gradient descent with rate schedules and L2.", SgdOptions{}},
        {"ftrl", "FTRL-Proximal with rates per coordinate, L1 and L2.", FtrlOptions{}},
        {"adagrad", "AdaGrad: rates per coordinate that only fall.", AdaGradOptions{}},
        {"adpredictor", "Bayesian probit regression: a mean and a variance per weight.",
         AdPredictorOptions{}},
    }};
    return learners;
}

Result<std::unique_ptr<Learner>> make_learner(const LearnerOptions& options) {
    return std::visit([](const auto& one) { return create(one); }, options);
}

}  // namespace millrace::ml
