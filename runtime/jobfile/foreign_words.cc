#include "runtime/jobfile/foreign_words.h"

#include <algorithm>
#include <array>

namespace millrace::jobfile {
namespace {

struct Translation {
    std::string_view theirs;
    std::string_view ours;
};

constexpr std::array kKeys{
    Translation{"inputs", "from"},
    Translation{"input", "from"},
    Translation{"upstream", "from"},
    Translation{"source", "from"},
    Translation{"learning_rate", "rate"},
    Translation{"learning_rate", "alpha"},
    Translation{"eta", "rate"},
    Translation{"eta0", "rate"},
    Translation{"lr", "rate"},
    Translation{"lr", "alpha"},
    Translation{"lambda1", "l1"},
    Translation{"lambda2", "l2"},
    Translation{"eps", "epsilon"},
    Translation{"power_t", "power"},
    Translation{"connector", "type"},
    Translation{"kind", "type"},
    Translation{"topics", "topic"},
    Translation{"group_id", "group"},
    Translation{"group.id", "group"},
    Translation{"consumer_group", "group"},
    Translation{"bootstrap_servers", "brokers"},
    Translation{"bootstrap.servers", "brokers"},
    Translation{"auto_offset_reset", "start"},
    Translation{"auto.offset.reset", "start"},
    Translation{"offset", "start"},
    Translation{"scan.startup.mode", "start"},
    Translation{"encoding", "format"},
    Translation{"codec", "format"},
    Translation{"decoding", "format"},
    Translation{"fields", "columns"},
    Translation{"interactions", "crosses"},
    Translation{"quadratic", "crosses"},
    Translation{"num_bits", "bits"},
    Translation{"bit_precision", "bits"},
    Translation{"algorithm", "learner"},
    Translation{"optimizer", "learner"},
    Translation{"target", "label"},
    Translation{"filename", "path"},
    Translation{"file", "path"},
    Translation{"host", "address"},
    Translation{"url", "address"},
    Translation{"condition", "where"},
    Translation{"predicate", "where"},
    Translation{"expression", "where"},
    Translation{"watermark", "event_time"},
    Translation{"timestamp_field", "event_time"},
    Translation{"restart_strategy", "restart"},
    Translation{"tasks", "parallelism"},
    Translation{"workers", "parallelism"},
    Translation{"threads", "parallelism"},
    Translation{"transforms", "steps"},
    Translation{"operators", "steps"},
    Translation{"outputs", "sinks"},
    Translation{"pipeline", "steps"},
    Translation{"dead_letter", "on_bad_record"},
    Translation{"dlq", "on_bad_record"},
    Translation{"sigma", "prior_variance"},
    Translation{"ctr0", "prior_rate"},
};

constexpr std::array kValues{
    Translation{"stdout", "print"},
    Translation{"console", "print"},
    Translation{"blackhole", "discard"},
    Translation{"null", "discard"},
    Translation{"drop", "discard"},
    Translation{"filesystem", "file"},
    Translation{"tcp", "socket"},
    Translation{"datagen", "generate"},
    Translation{"faker", "generate"},
    Translation{"where", "filter"},
    Translation{"map", "compute"},
    Translation{"project", "compute"},
    Translation{"score", "predict"},
    Translation{"learn", "train"},
    Translation{"fit", "train"},
    Translation{"metrics", "evaluate"},
    Translation{"ftrl_proximal", "ftrl"},
    Translation{"logistic_regression", "sgd"},
    Translation{"linear_regression", "sgd"},
    Translation{"beginning", "earliest"},
    Translation{"smallest", "earliest"},
    Translation{"end", "latest"},
    Translation{"largest", "latest"},
    Translation{"committed", "committed_or_latest"},
    Translation{"classification", "binary"},
    Translation{"log", "logistic"},
    Translation{"log_loss", "logloss"},
    Translation{"logloss", "logistic"},
    Translation{"mse", "squared"},
    Translation{"rocauc", "auc"},
    Translation{"roc_auc", "auc"},
    Translation{"ndjson", "json"},
    Translation{"jsonl", "json"},
    Translation{"categorical", "hashed"},
    Translation{"category", "hashed"},
    Translation{"numeric", "number"},
    Translation{"float", "number"},
    Translation{"bucketize", "buckets"},
    Translation{"standard", "standardize"},
    Translation{"log", "log1p"},
};

constexpr std::array kFieldTypes{
    Translation{"double", "float64"},
    Translation{"float", "float32"},
    Translation{"real", "float32"},
    Translation{"long", "int64"},
    Translation{"bigint", "int64"},
    Translation{"int", "int32"},
    Translation{"integer", "int32"},
    Translation{"text", "string"},
    Translation{"str", "string"},
    Translation{"varchar", "string"},
    Translation{"boolean", "bool"},
    Translation{"binary", "bytes"},
    Translation{"blob", "bytes"},
    Translation{"timestamp", "timestamp_ms"},
    Translation{"datetime", "timestamp_ms"},
    Translation{"array", "list<string>"},
    Translation{"list", "list<string>"},
};

std::optional<std::string_view> translated(std::span<const Translation> table,
                                           std::string_view theirs,
                                           std::span<const std::string_view> legal) {
    for (const Translation& entry : table) {
        if (entry.theirs == theirs && std::ranges::find(legal, entry.ours) != legal.end()) {
            return entry.ours;
        }
    }
    return std::nullopt;
}

}  // namespace

std::optional<std::string_view> our_key(std::string_view theirs,
                                        std::span<const std::string_view> legal) {
    return translated(kKeys, theirs, legal);
}

std::optional<std::string_view> our_value(std::string_view theirs,
                                          std::span<const std::string_view> legal) {
    return translated(kValues, theirs, legal);
}

std::optional<std::string_view> our_field_type(std::string_view theirs) {
    for (const Translation& entry : kFieldTypes) {
        if (entry.theirs == theirs) {
            return entry.ours;
        }
    }
    return std::nullopt;
}

}  // namespace millrace::jobfile
