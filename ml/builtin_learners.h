// The learners there are. A new one is a line here, and the contract suite walks it.
//
// Threads:    any.
// Failure:    make_learner() refuses options as the learner's create() does.

#pragma once

#include <memory>
#include <span>
#include <string_view>
#include <variant>

#include "ml/adagrad.h"
#include "ml/adpredictor.h"
#include "ml/ftrl.h"
#include "ml/learner.h"
#include "ml/sgd.h"
#include "runtime/base/status.h"

namespace millrace::ml {

using LearnerOptions = std::variant<SgdOptions, FtrlOptions, AdaGradOptions, AdPredictorOptions>;

struct BuiltinLearner {
    std::string_view name;  // The word in the job file.
    std::string_view doc;
    LearnerOptions defaults;
};

[[nodiscard]] std::span<const BuiltinLearner> builtin_learners();

[[nodiscard]] Result<std::unique_ptr<Learner>> make_learner(const LearnerOptions& options);

}  // namespace millrace::ml
