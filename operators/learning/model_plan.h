// What the learning steps need to know of a job's models and feature sets.
//
// Threads:    any; pure.
// Failure:    kInvalidArgument naming the model or feature set.

#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "ml/feature_spec.h"
#include "ml/learner.h"
#include "operators/learning/shared_model.h"
#include "runtime/base/status.h"
#include "runtime/data/schema.h"

namespace millrace::proto {
class Features;
class Job;
class Model;
}  // namespace millrace::proto

namespace millrace::operators {

[[nodiscard]] const proto::Model* find_model(const proto::Job& job, std::string_view name);
[[nodiscard]] const proto::Features* find_features(const proto::Job& job, std::string_view name);

// The column that holds feature set `set`: a name that no field of a job file can have.
[[nodiscard]] std::string features_field(std::string_view set);

// Where the compiled features of `model` stand in `input`.
Result<std::size_t> features_column(const proto::Job& job, std::string_view model,
                                    const data::Schema& input);

Result<std::unique_ptr<const ml::Learner>> make_learner(const proto::Model& model);
Result<ml::FeatureSpec> make_feature_spec(const proto::Features& features);

// All that SharedModel::make() wants to know of `model`, but for the feeds and splits of its
// OrderPlan, which the deployment knows.
Result<SharedModel::Options> shared_model_options(const proto::Job& job, std::string_view model);

}  // namespace millrace::operators
