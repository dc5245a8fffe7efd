#include "operators/source_schema.h"

#include <algorithm>

#include "operators/line_buffer.h"
#include "proto/job.pb.h"

namespace millrace::operators {
namespace {

data::Kind kind_of(proto::ScalarType type) {
    switch (type) {
        case proto::SCALAR_TYPE_BOOL:
            return data::Kind::kBool;
        case proto::SCALAR_TYPE_INT32:
            return data::Kind::kInt32;
        case proto::SCALAR_TYPE_INT64:
            return data::Kind::kInt64;
        case proto::SCALAR_TYPE_FLOAT32:
            return data::Kind::kFloat32;
        case proto::SCALAR_TYPE_FLOAT64:
            return data::Kind::kFloat64;
        case proto::SCALAR_TYPE_BYTES:
            return data::Kind::kBytes;
        case proto::SCALAR_TYPE_TIMESTAMP_MS:
            return data::Kind::kTimestampMs;
        default:
            return data::Kind::kString;
    }
}

data::Type type_of(const proto::FieldType& type) {
    if (type.list()) return {.kind = data::Kind::kList, .element = kind_of(type.element())};
    return {.kind = kind_of(type.element())};
}

bool is_binary(const proto::Job& job, const proto::TrainStep& train) {
    return std::any_of(job.models().begin(), job.models().end(), [&](const proto::Model& model) {
        const auto& names = train.models();
        return model.task() == proto::TASK_BINARY &&
               std::find(names.begin(), names.end(), model.name()) != names.end();
    });
}

}  // namespace

Result<data::SchemaPtr> declared_schema(const proto::Job& job, const proto::Source& source) {
    for (const proto::Schema& schema : job.schemas()) {
        if (schema.name() != source.schema()) continue;
        std::vector<data::Field> fields;
        for (const proto::SchemaField& field : schema.fields()) {
            fields.push_back({field.name(), type_of(field.type())});
        }
        return data::Schema::make(std::move(fields));
    }
    return fail(Code::kInvalidArgument,
                "source {} names no schema. Hint: declare its fields under `schemas` and name them "
                "with `schema:`",
                source.name());
}

DecodeRules decode_rules(const proto::Job& job, const proto::Source& source) {
    DecodeRules rules;
    if (source.event_time().has_field()) rules.required.push_back(source.event_time().field());
    for (const proto::Step& step : job.steps()) {
        const auto& from = step.from();
        if (!step.has_train() || std::find(from.begin(), from.end(), source.name()) == from.end()) {
            continue;
        }
        rules.labels.push_back(
            {.column = step.train().label(), .is_binary = is_binary(job, step.train())});
    }
    return rules;
}

Result<OutputSchemas> decoded_source_schemas(const OperatorRequest& request) {
    MILLRACE_TRY_ASSIGN(auto schema,
                        declared_schema(request.job, request.job.sources(request.declared)));
    return OutputSchemas{.main = std::move(schema)};
}

Result<std::vector<std::size_t>> line_scratch(const OperatorRequest& request) {
    const std::int64_t record_bytes_max = request.job.sources(request.declared).max_record_bytes();
    return std::vector{LineBuffer::buffer_bytes(static_cast<std::size_t>(record_bytes_max))};
}

}  // namespace millrace::operators
