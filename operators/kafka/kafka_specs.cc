#include "operators/kafka/kafka_specs.h"

#include <algorithm>

#include "operators/job_resources.h"
#include "operators/kafka/client_plan.h"
#include "operators/kafka/kafka_sink.h"
#include "operators/kafka/kafka_source.h"
#include "operators/learning/row_order.h"
#include "operators/sink_encoder.h"
#include "operators/source_format.h"
#include "operators/source_schema.h"
#include "proto/job.pb.h"

namespace millrace::operators {
namespace {

KafkaProperties properties_of(const google::protobuf::RepeatedPtrField<proto::Property>& all) {
    KafkaProperties made;
    for (const proto::Property& property : all)
        made.emplace_back(property.name(), property.value());
    return made;
}

bool trains_in_canonical_order(const proto::Job& job) {
    return std::ranges::any_of(job.steps(), [](const proto::Step& step) {
        return step.has_train() && step.train().order() == proto::ORDER_CANONICAL;
    });
}

// How long a silent partition holds the others up.
Duration idle_after(const proto::Source& source) {
    if (!source.event_time().has_idle_after_ms()) return OrderPlan::Split{}.idle_after;
    return std::chrono::milliseconds(source.event_time().idle_after_ms());
}

Result<std::unique_ptr<Operator>> make_source(const OperatorRequest& request,
                                              JobResources& resources) {
    const proto::Source& source = request.job.sources(request.declared);
    const proto::KafkaSource& kafka = source.kafka();
    MILLRACE_TRY_ASSIGN(const auto format, SourceFormat::of(request.job, source));
    MILLRACE_TRY_ASSIGN(auto decoder, format.make_decoder(std::nullopt));
    KafkaSource::Options options;
    MILLRACE_TRY_ASSIGN(options.settings.connection, resources.connection(kafka.cluster()));
    options.settings.role = KafkaRole::kSource;
    options.settings.group = kafka.has_group() ? kafka.group() : "millrace-" + request.job.name();
    options.settings.node_properties = properties_of(kafka.properties());
    options.settings.readers = readers_beside(request.job, source);
    if (trains_in_canonical_order(request.job)) {
        options.idle_after = idle_after(source);
        // Each partition has a queue of its own then.
        options.settings.readers =
            std::max(options.settings.readers, resources.environment().split_count);
    }
    options.topic = kafka.topic();
    options.batching.record_bytes_max = static_cast<std::size_t>(source.max_record_bytes());
    return std::make_unique<KafkaSource>(std::move(options), std::move(decoder), resources.kafka());
}

// The event time of a source, when its field has come as far as the sink.
std::optional<std::size_t> event_time_column(const proto::Job& job, const data::Schema& input) {
    for (const proto::Source& source : job.sources()) {
        if (!source.event_time().has_field()) continue;
        const auto column = input.index_of(source.event_time().field());
        if (!column) continue;
        const data::Kind kind = input.fields()[*column].type.kind;
        if (kind == data::Kind::kTimestampMs || kind == data::Kind::kInt64) return column;
    }
    return std::nullopt;
}

Result<OutputSchemas> sink_schemas(const OperatorRequest&) { return OutputSchemas{}; }

// The bytes of one produce call. A row beyond that takes more from the slot while it is there.
Result<std::vector<std::size_t>> sink_scratch(const OperatorRequest& request) {
    const proto::Sink& sink = request.job.sinks(request.declared);
    const bool dead_letters =
        sink.from() == "errors" && sink.kafka().format() == proto::SINK_FORMAT_RAW;
    return std::vector<std::size_t>(dead_letters ? 0 : 1, KafkaSink::kBufferBytes);
}

Result<std::unique_ptr<Operator>> make_sink(const OperatorRequest& request,
                                            JobResources& resources) {
    const proto::Sink& sink = request.job.sinks(request.declared);
    const proto::KafkaSink& kafka = sink.kafka();
    const data::Schema& input = *request.inputs[0];
    KafkaSink::Options options;
    MILLRACE_TRY_ASSIGN(options.settings.connection, resources.connection(kafka.cluster()));
    options.settings.role = KafkaRole::kSink;
    options.settings.node_properties = properties_of(kafka.properties());
    options.topic = kafka.topic();
    options.dead_letters = sink.from() == "errors" && kafka.format() == proto::SINK_FORMAT_RAW;
    if (kafka.has_key()) {
        options.key = input.index_of(kafka.key());
        if (!options.key || !can_be_key(input.fields()[*options.key].type)) {
            return fail(Code::kInvalidArgument,
                        "sink {}: the key {} is not a text, number or time among its fields",
                        sink.name(), kafka.key());
        }
    }
    if (kafka.timestamp() == proto::SINK_TIMESTAMP_EVENT) {
        options.timestamp = KafkaSink::Timestamp::kEvent;
        options.event_time = event_time_column(request.job, input);
    }
    std::unique_ptr<RecordEncoder> encoder;
    if (!options.dead_letters) {
        MILLRACE_TRY_ASSIGN(encoder, make_encoder(kafka.format(), request.inputs[0]));
    }
    return std::make_unique<KafkaSink>(std::move(options), std::move(encoder), resources.kafka());
}

}  // namespace

OperatorSpec kafka_source_spec() {
    return {.role = Role::kSource,
            .type = "kafka",
            .doc = "Reads the partitions of a Kafka topic.",
            .schemas = decoded_source_schemas,
            .make = make_source};
}

OperatorSpec kafka_sink_spec() {
    return {.role = Role::kSink,
            .type = "kafka",
            .doc = "Writes records to a Kafka topic, at least once.",
            .schemas = sink_schemas,
            .make = make_sink,
            .scratch = sink_scratch};
}

}  // namespace millrace::operators
