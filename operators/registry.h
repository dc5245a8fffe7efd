// Binds each kind of node of a job file to the operator that implements it.
//
// Built-ins stand in one explicit list (builtin_operators.cc); nothing registers itself. The
// contract suite walks the list. A spec's functions are pure but for make(), which may reach into
// the resources that the tasks of a job share.
//
// Threads:    built once, then read by any thread.
// Ownership:  specs point to static text and functions.
// Failure:    a job that passed validation may still be refused here, with the node's name.

#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "operators/operator.h"
#include "runtime/base/status.h"
#include "runtime/data/schema.h"

namespace millrace::proto {
class Job;
}

namespace millrace::operators {

enum class Role : std::uint8_t { kSource, kFeatures, kStep, kSink };

// One node to build.
struct OperatorRequest {
    const proto::Job& job;
    Role role = Role::kStep;
    std::int32_t declared = 0;                  // Index in the job's sources, steps or sinks.
    std::span<const std::string> feature_sets;  // Role::kFeatures only.
    std::span<const data::SchemaPtr> inputs;    // The schema of each input.
};

// What a node emits; both null for a sink.
struct OutputSchemas {
    data::SchemaPtr main;
    data::SchemaPtr side;  // evaluate's audit.
};

struct OperatorSpec {
    Role role = Role::kStep;
    std::string_view type;  // As in the job file: "kafka", "filter"; "features" for the compiler.
    std::string_view doc;   // One sentence.
    // Errors: kInvalidArgument naming the node and what does not fit.
    Result<OutputSchemas> (*schemas)(const OperatorRequest& request) = nullptr;
    Result<std::unique_ptr<Operator>> (*make)(const OperatorRequest& request,
                                              JobResources& resources) = nullptr;
    // The segments that it takes of the slot beside batches, at most at the same time; they are
    // reserved at deployment. Null: none. The contract suite compares.
    Result<std::vector<std::size_t>> (*scratch)(const OperatorRequest& request) = nullptr;
};

class Registry {
  public:
    // Errors: kAlreadyExists for a second spec of the same role and type.
    Status add(const OperatorSpec& spec);
    // The spec that implements the requested node. Errors: kNotFound.
    [[nodiscard]] Result<const OperatorSpec*> find(const OperatorRequest& request) const;
    [[nodiscard]] std::span<const OperatorSpec> specs() const { return specs_; }

  private:
    std::vector<OperatorSpec> specs_;
};

// Every operator of the product.
const Registry& builtin_operators();

}  // namespace millrace::operators
