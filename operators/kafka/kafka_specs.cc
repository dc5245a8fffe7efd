#include "operators/kafka/kafka_specs.h"

#include "operators/format/json_decoder.h"
#include "operators/format/json_encoder.h"
#include "operators/job_resources.h"
#include "operators/kafka/kafka_sink.h"
#include "operators/kafka/kafka_source.h"
#include "operators/source_schema.h"
#include "proto/job.pb.h"

namespace millrace::operators {
namespace {

Result<std::unique_ptr<RecordDecoder>> make_decoder(const proto::Job& job,
                                                    const proto::Source& source) {
    MILLRACE_TRY_ASSIGN(auto schema, declared_schema(job, source));
    const DecodeRules rules = decode_rules(job, source);
    if (source.format() != proto::FORMAT_JSON) {
        return fail(Code::kInvalidArgument, "source {}: a Kafka source reads JSON", source.name());
    }
    MILLRACE_TRY_ASSIGN(auto decoder, JsonDecoder::make(std::move(schema), rules));
    return decoder;
}

KafkaProperties properties_of(const google::protobuf::RepeatedPtrField<proto::Property>& all) {
    KafkaProperties made;
    for (const proto::Property& property : all)
        made.emplace_back(property.name(), property.value());
    return made;
}

Result<std::unique_ptr<Operator>> make_source(const OperatorRequest& request,
                                              JobResources& resources) {
    const proto::Source& source = request.job.sources(request.declared);
    const proto::KafkaSource& kafka = source.kafka();
    MILLRACE_TRY_ASSIGN(auto decoder, make_decoder(request.job, source));
    KafkaSource::Options options;
    MILLRACE_TRY_ASSIGN(options.settings.connection, resources.connection(kafka.cluster()));
    options.settings.role = KafkaRole::kSource;
    options.settings.group = kafka.has_group() ? kafka.group() : "millrace-" + request.job.name();
    options.settings.node_properties = properties_of(kafka.properties());
    options.settings.readers = static_cast<std::size_t>(source.parallelism());
    options.topic = kafka.topic();
    options.batching.record_bytes_max = static_cast<std::size_t>(source.max_record_bytes());
    return std::make_unique<KafkaSource>(std::move(options), std::move(decoder), resources.kafka());
}

Result<OutputSchemas> sink_schemas(const OperatorRequest&) { return OutputSchemas{}; }

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
        if (!options.key) {
            return fail(Code::kInvalidArgument, "the key is not among the sink's fields: {}",
                        kafka.key());
        }
    }
    std::unique_ptr<RecordEncoder> encoder;
    if (!options.dead_letters) {
        MILLRACE_TRY_ASSIGN(encoder, JsonEncoder::make(request.inputs[0]));
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
            .make = make_sink};
}

}  // namespace millrace::operators
