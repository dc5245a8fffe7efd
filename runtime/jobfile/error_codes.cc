#include "runtime/jobfile/error_codes.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>

#include <fmt/format.h>

namespace millrace::jobfile {
namespace {

// Retired, and never to be used again: E074.
constexpr auto kCodes = std::to_array<ErrorCode>({
    {"E001", "not YAML",
     "The text cannot be read as YAML; usually the indentation or a ':' is "
     "wrong.",
     "sources:\n"
     "  clicks: { topic: a\n"
     " topic: b }"},
    {"E002", "not closed",
     "A quote, brace or bracket is opened and not closed; the line where it "
     "began is shown.",
     "name: \"ctr"},
    {"E003", "limit exceeded",
     "A job file has at most 1 MiB, 64 levels, 100 000 values (copies by anchors "
     "counted), 100 aliases, keys of 128 bytes, values of 64 KiB and 32 layers.",
     "a: &a [1]\n"
     "b: [*a, *a, ...]   # the 101st alias"},
    {"E004", "variable not set",
     "A variable without a default is not set where the command runs. All unset "
     "ones are listed at once.",
     "brokers: \"${KAFKA_BROKERS}\""},
    {"E005", "not a variable",
     "What stands between '${' and '}' is not a variable, or the '}' is missing.",
     "brokers: \"${KAFKA-BROKERS}\""},
    {"E006", "variable without quotes",
     "Inside braces and brackets YAML reads '{' as the beginning of a mapping, "
     "so a variable there needs quotes.",
     "main: { brokers: ${KAFKA_BROKERS} }"},
    {"E007", "YAML feature not supported",
     "Tags, merge keys ('<<') and aliases without an anchor are refused; anchors "
     "and aliases within one file work.",
     "bits: !!int 22"},
    {"E008", "bytes not allowed",
     "The file is not UTF-8, or holds control characters, or a NUL by an escape.",
     "name: \"\\x00\"   # the byte itself"},
    {"E009", "not one document",
     "The file is empty, or holds a second document after '---'. A file is one "
     "job.",
     "version: 1\n"
     "---\n"
     "version: 1"},
    {"E010", "unknown key",
     "The key is not legal at this place: a typing error, another system's word, "
     "or a line that is indented wrongly.",
     "clicks: { type: kafka, topik: ad_clicks }"},
    {"E011", "duplicate key",
     "The key is given twice in one mapping. The line of the first one is named.",
     "runtime: { parallelism: 4, parallelism: 8 }"},
    {"E012", "required key missing", "The section cannot do without this key.",
     "clicks: { type: kafka }   # no topic"},
    {"E013", "wrong kind of value",
     "A mapping, a list or a single value stands where another one of them "
     "belongs.",
     "models: ctr   # takes a list: [ctr]"},
    {"E014", "not a number, or not true or false",
     "The text cannot be read as the kind of value that the key takes.", "bits: many"},
    {"E015", "not one of the words", "The key takes one of a few words, and this is none of them.",
     "start: erliest"},
    {"E016", "unknown type", "There is no source, step, sink or learner of this type.",
     "clicks: { type: kafak, topic: ad_clicks }"},
    {"E017", "value cut by a comma",
     "Inside braces a comma ends a value without quotes; the value has an open parenthesis, so "
     "the comma was probably meant to be part of it.",
     "kept: { type: filter, from: clicks, where: coalesce(bid, 0) > 1 }"},
    {"E018", "malformed name or address",
     "Names of nodes are lower case letters, digits and '_', beginning with a "
     "letter; names of jobs have '-' instead of '_'; addresses are host:port.",
     "name: My Job"},
    {"E019", "empty", "The key is there, but has no value; or the list or section is empty.",
     "sources:"},
    {"E021", "unit missing",
     "Times, sizes, shares, rates and rows carry their unit; a bare number is "
     "refused.",
     "max_delay: 5   # 5s, 5m or 5h"},
    {"E022", "not a value with a unit",
     "The value cannot be read as a time, size, share, rate, number of rows, "
     "range or point in time.",
     "max_delay: 5 minutes   # 5m"},
    {"E023", "out of range", "The number is smaller or larger than the key allows.", "bits: 40"},
    {"E024", "too many or too few",
     "The list or section has more entries than this version handles, or fewer "
     "than make sense.",
     "crosses: [[ad_id]]"},
    {"E025", "another system's type", "The type of a field has another name here.",
     "ts: long   # int64"},
    {"E038", "not available in this version",
     "The word is kept for a later version. It is refused rather than ignored.",
     "labeled: { type: join_label }"},
    {"E040", "unknown source or step", "`from` names nothing that is declared.",
     "scored: { type: predict, from: impresions, models: [ctr] }"},
    {"E041", "unknown model", "A step uses a model that is not declared under `models`.",
     "learn: { type: train, models: [ctrr], label: label }"},
    {"E042", "unknown features", "A model uses features that are not declared under `features`.",
     "ctr: { task: binary, features: ctr_v2, learner: ftrl }"},
    {"E043", "unknown schema", "A source uses a schema that is not declared under `schemas`.",
     "clicks: { type: kafka, topic: t, schema: clik }"},
    {"E044", "unknown sink", "`send_to` names no sink.", "on_bad_record: { send_to: bad }"},
    {"E045", "unknown cluster",
     "The file declares clusters, and the one that is named is not among them.",
     "clicks: { type: kafka, cluster: mian, topic: t }"},
    {"E046", "cluster not named",
     "The file declares several clusters, so each Kafka source and sink must say "
     "which one it means.",
     "clicks: { type: kafka, topic: t }   # main or backup?"},
    {"E047", "cycle", "Steps read each other in a circle, so no record could ever enter.",
     "a: { type: filter, from: b, where: x }\n"
     "b: { type: filter, from: a, where: x }"},
    {"E048", "nothing reads it",
     "A source or step has no reader, so its work would be lost. `train` needs "
     "none.",
     "sources:\n"
     "  clicks: { type: kafka, topic: t }   # in no `from`"},
    {"E049", "cannot be read",
     "`train` and sinks have no output; the outputs of `evaluate`, and `errors`, go to "
     "sinks only; `NAME.audit` needs `audit:` in that step.",
     "metrics: { type: print, from: learn }"},
    {"E050", "unknown field",
     "The field is not in the schema, or was not kept by the step that is read.",
     "keep: [impression]   # the schema has impression_id"},
    {"E051", "unknown column in a cross",
     "Crosses combine columns of the same features, by the columns' names.",
     "crosses: [[ad_id, devise]]"},
    {"E052", "type does not fit the use",
     "A field is used as something that its type is not; or, without a schema, "
     "two uses disagree.",
     "label: impression_id   # a string"},
    {"E053", "inputs differ",
     "A step that reads several sources or steps needs them to have the same "
     "fields in the same order.",
     "from: [impressions, clicks]"},
    {"E054", "name taken",
     "Sources and steps share one namespace, and `errors` is the built-in stream "
     "of bad records.",
     "sources:\n"
     "  errors: { type: kafka, topic: t }"},
    {"E055", "expression wrong",
     "The expression cannot be read, uses a field that is not there, or mixes "
     "types.",
     "where: 'bid > \"a\"'"},
    {"E056", "sink does not take errors", "`send_to` names a sink whose `from` is not `errors`.",
     "on_bad_record: { send_to: predictions }"},
    {"E057", "schema needed",
     "Expressions need the types of the fields; csv and tsv need their names; "
     "and a source of which no field is named anywhere has none to read.",
     "rows: { type: file, path: a.csv, format: csv }"},
    {"E058", "model trained twice",
     "A model has one writer: one `train` step, which may read several inputs.",
     "learn:  { type: train, from: a, label: y, models: [ctr] }\n"
     "learn2: { type: train, from: b, label: y, models: [ctr] }"},
    {"E059", "listed twice", "A list of names holds the same name twice.", "models: [ctr, ctr]"},
    {"E060", "field exists", "`set` makes new fields and replaces none.",
     "set: { bid: 'bid * 2' }"},
    {"E061", "several error sinks",
     "More than one sink reads `errors`, and `send_to` does not say which one "
     "gets bad records.",
     "a: { type: print, from: errors }\n"
     "b: { type: print, from: errors }"},
    {"E070", "learner does not fit the task", "The learner, or its loss, is for another task.",
     "price: { task: regression, features: f, learner: adpredictor }"},
    {"E071", "edges do not rise",
     "The edges of buckets are rising numbers, each larger than the one before "
     "it.",
     "edges: [1, 10, 5]"},
    {"E072", "progressive evaluation without training",
     "The progressive score is that of the training step just before a row is "
     "learnt, so `evaluate` needs a `train` step of the same model with the same "
     "`from`.",
     "quality: { type: evaluate, from: other, models: [ctr], window: 1000rows }"},
    {"E073", "keys of a column do not go together",
     "`edges` and `log_squared` belong to `buckets`, `log1p` and `standardize` "
     "to `number`, `take` to times.",
     "bid: { as: hashed, edges: [1, 2] }"},
    {"E075", "cross does not work",
     "A cross has no numbers, at most one list, no column twice, and is declared "
     "once.",
     "crosses: [[ad_id, ad_id]]"},
    {"E076", "raw is for errors",
     "`format: raw` writes rejected records as they came; other records have no "
     "such bytes.",
     "out: { type: kafka, from: scored, topic: t, format: raw }"},
    {"E077", "one subtask only", "A file, a socket and `evaluate` work in one subtask.",
     "rows: { type: file, path: a, parallelism: 4 }"},
    {"E078", "header without columns", "Only `csv` and `tsv` have a header line.",
     "rows: { type: file, path: a, format: json, header: true }"},
    {"E080", "two places to start", "`start` has a position or a timestamp, not both.",
     "start: { position: earliest, timestamp: 2026-01-02T03:04:05Z }"},
    {"E081", "step too large",
     "rate x l2 is 1 or more: each step would turn the sign of every weight.",
     "learner: { type: sgd, rate: 2, l2: 0.5 }"},
    {"E082", "model cannot be evaluated", "`evaluate` measures models of binary tasks.",
     "price: { task: regression, ... }   # in evaluate's models"},
    {"E100", "unknown cluster of the server", "The server has no Kafka cluster of this name.",
     "clicks: { type: kafka, cluster: prod, topic: t }"},
    {"E101", "connection in a submitted job",
     "A submitted job names a cluster of the server; it cannot bring its own "
     "unless the JobManager was started with --allow-inline-kafka.",
     "kafka: { clusters: { main: { brokers: \"localhost:9092\" } } }"},
    {"E102", "file in a submitted job",
     "A submitted job reads and writes files only below the directory that the "
     "JobManager was started with: --file-root.",
     "rows: { type: file, path: /etc/passwd }"},
    {"E103", "address in a submitted job",
     "A submitted job connects only to addresses that the JobManager was started "
     "with: --socket-address.",
     "lines: { type: socket, address: \"localhost:22\" }"},
    {"E104", "variable in a submitted job",
     "Variables are filled in where the command runs. A server never does: a job "
     "could read its environment.",
     "topic: \"${HOME}\""},
    {"E105", "property never allowed",
     "The property would load code, run commands, probe files, change where the "
     "server connects, or leak.",
     "properties: { plugin.library.paths: /tmp/x.so }"},
    {"E106", "property not allowed", "A submitted job sets only the listed client properties.",
     "properties: { socket.keepalive.enable: \"true\" }"},
    {"E109", "property out of bounds",
     "The property is allowed, but not this value: it costs the server memory or "
     "time.",
     "properties: { fetch.max.bytes: 4000000000 }"},
    {"E110", "topic missing", "The Kafka cluster has no topic of this name.",
     "clicks: { type: kafka, topic: ad_click }"},
    {"E111", "cluster cannot be asked",
     "The Kafka cluster could not be asked whether the topic exists.",
     "kafka: { clusters: { main: { brokers: \"no-such-host:9092\" } } }"},
    {"E112", "cluster refuses",
     "The Kafka cluster does not accept the credentials, or the right "
     "to use the topic is missing.",
     "sasl.password: ..."},
    {"W041", "model not used", "The model is declared, but no step uses it.",
     "models: { old: ... }"},
    {"W042", "features not used", "The features are declared, but no model uses them.",
     "features: { old: ... }"},
    {"W043", "label is a feature",
     "The label is also a column of the model's features. The model would learn "
     "from the answer, which predictions do not have.",
     "columns: { label: hashed }"},
    {"W044", "model never trained",
     "Steps use the model, but none trains it, so its predictions stay as they "
     "begin.",
     "scored: { type: predict, models: [ctr] }   # and no train"},
    {"W045", "schema not used", "The schema is declared, but no source uses it.",
     "schemas: { old: ... }"},
    {"W046", "topic is read and written",
     "A sink writes the topic that a source of the same job reads: each record "
     "may come round again.",
     "in: { type: kafka, topic: t }\n"
     "out: { type: kafka, topic: t, from: in }"},
});

}  // namespace

std::span<const ErrorCode> error_codes() { return kCodes; }

const ErrorCode* find_error_code(std::string_view code) {
    const auto found = std::ranges::find(kCodes, code, &ErrorCode::code);
    return found == kCodes.end() ? nullptr : &*found;
}

const ErrorCode& nearest_error_code(std::string_view code) {
    const auto number_of = [](std::string_view name) {
        int number = 0;
        (void)std::from_chars(name.data() + 1, name.data() + name.size(), number);
        return number;
    };
    const auto distance = [&](const ErrorCode& known) {
        constexpr int kOtherLetter = 10'000;
        return std::abs(number_of(known.code) - number_of(code)) +
               (known.code[0] == code[0] ? 0 : kOtherLetter);
    };
    return *std::ranges::min_element(kCodes, {}, distance);
}

std::string explain_error_code(const ErrorCode& code) {
    std::string out = fmt::format("{}: {}\n\n{}\n\nExample:\n", code.code, code.title, code.cause);
    std::string_view rest = code.example;
    while (!rest.empty()) {
        const std::size_t end = std::min(rest.find('\n'), rest.size());
        out += fmt::format("  {}\n", rest.substr(0, end));
        rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    return out;
}

}  // namespace millrace::jobfile
