#include "operators/registry.h"

#include <algorithm>

#include "proto/job.pb.h"

namespace millrace::operators {
namespace {

// The word after `type:` is the name of the arm that is set.
std::string_view kind_of(const google::protobuf::Message& node) {
    const auto* kind = node.GetDescriptor()->FindOneofByName("kind");
    const auto* arm = node.GetReflection()->GetOneofFieldDescriptor(node, kind);
    return arm == nullptr ? std::string_view() : std::string_view(arm->name());
}

std::string_view type_of(const OperatorRequest& request) {
    switch (request.role) {
        case Role::kSource:
            return kind_of(request.job.sources(request.declared));
        case Role::kStep:
            return kind_of(request.job.steps(request.declared));
        case Role::kSink:
            return kind_of(request.job.sinks(request.declared));
        case Role::kFeatures:
            return "features";
    }
    return {};
}

}  // namespace

Status Registry::add(const OperatorSpec& spec) {
    const bool known = std::any_of(specs_.begin(), specs_.end(), [&](const OperatorSpec& other) {
        return other.role == spec.role && other.type == spec.type;
    });
    if (known)
        return fail(Code::kAlreadyExists, "an operator of this role and type is registered: {}",
                    spec.type);
    specs_.push_back(spec);
    return {};
}

Result<const OperatorSpec*> Registry::find(const OperatorRequest& request) const {
    const std::string_view type = type_of(request);
    for (const OperatorSpec& spec : specs_) {
        if (spec.role == request.role && spec.type == type) return &spec;
    }
    return fail(Code::kNotFound, "no operator implements this type: {}", type);
}

}  // namespace millrace::operators
