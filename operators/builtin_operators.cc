// The one list of everything that a job file can name.

#include "operators/compute_operator.h"
#include "operators/discard_sink.h"
#include "operators/file_sink.h"
#include "operators/file_source.h"
#include "operators/filter_operator.h"
#include "operators/generate_source.h"
#include "operators/kafka/kafka_specs.h"
#include "operators/learning/evaluate_source.h"
#include "operators/learning/features_step.h"
#include "operators/learning/predict_step.h"
#include "operators/learning/train_step.h"
#include "operators/print_sink.h"
#include "operators/registry.h"
#include "operators/socket_source.h"
#include "runtime/base/check.h"

namespace millrace::operators {
namespace {

Status add_all(Registry& registry) {
    MILLRACE_TRY(registry.add(ComputeOperator::spec()));
    MILLRACE_TRY(registry.add(DiscardSink::spec()));
    MILLRACE_TRY(registry.add(EvaluateSource::spec()));
    MILLRACE_TRY(registry.add(FeaturesStep::spec()));
    MILLRACE_TRY(registry.add(FileSink::spec()));
    MILLRACE_TRY(registry.add(FileSource::spec()));
    MILLRACE_TRY(registry.add(FilterOperator::spec()));
    MILLRACE_TRY(registry.add(GenerateSource::spec()));
    MILLRACE_TRY(registry.add(kafka_sink_spec()));
    MILLRACE_TRY(registry.add(kafka_source_spec()));
    MILLRACE_TRY(registry.add(PredictStep::spec()));
    MILLRACE_TRY(registry.add(PrintSink::spec()));
    MILLRACE_TRY(registry.add(SocketSource::spec()));
    MILLRACE_TRY(registry.add(TrainStep::spec()));
    return {};
}

}  // namespace

const Registry& builtin_operators() {
    static const Registry kRegistry = [] {
        Registry registry;
        MILLRACE_CHECK(add_all(registry).has_value());
        return registry;
    }();
    return kRegistry;
}

}  // namespace millrace::operators
