#include "runtime/jobfile/validate.h"

#include <catch2/catch.hpp>
#include <google/protobuf/util/message_differencer.h>

#include "proto/job.pb.h"
#include "runtime/jobfile/error_codes.h"
#include "runtime/jobfile/render.h"
#include "tests/jobfile/job_text.h"

namespace millrace::jobfile {
namespace {

Validation validate_file(const std::string& path, const config::VariableLookup& variables) {
    return validate({{path, read_source_file(path)}}, {.variables = variables});
}

// What a file means after defaults.
proto::Job complete(const std::string& text) {
    Validation validation = validate_text(text);
    INFO(report_text(validation));
    REQUIRE(validation.job != nullptr);
    return *validation.job;
}

constexpr std::string_view kSmall = R"(version: 1
name: small
sources:
  impressions: { type: kafka, topic: ad_clicks }
features:
  f: { columns: { ad_id: hashed, bid: number, tags: hashed_list } }
models:
  ctr: { task: binary, features: f, learner: sgd }
  price: { task: regression, features: f, learner: adagrad }
steps:
  learn: { type: train, from: impressions, label: click, models: [ctr, price] }
  scored: { type: predict, from: impressions, models: [ctr, price], keep: [id, bid],
            parallelism: 3 }
  quality: { type: evaluate, from: impressions, models: [ctr], window: 100rows }
sinks:
  out: { type: kafka, from: scored, topic: ad_predictions, key: id }
  good: { type: discard, from: quality }
  bad: { type: print, from: errors }
)";

TEST_CASE("the jobs that ship are valid without a warning", "[jobfile][jobs]") {
    const std::string name = GENERATE("ctr", "ctr_criteo", "smallest");
    const Validation validation = validate_file("jobs/" + name + ".yaml", no_variables);
    INFO(report_text(validation));
    REQUIRE(validation.job != nullptr);
    REQUIRE(validation.diagnostics.empty());
}

TEST_CASE("constant defaults are filled in", "[jobfile][defaults]") {
    const proto::Job job = complete(std::string(kSmall));
    REQUIRE(job.runtime().parallelism() == 1);
    REQUIRE(job.runtime().delivery() == proto::DELIVERY_AT_LEAST_ONCE);
    REQUIRE(job.runtime().restart().backoff().min_ms() == 1000);
    REQUIRE(job.runtime().restart().backoff().max_ms() == 60'000);
    REQUIRE(job.runtime().restart().give_up_after() == 10);
    REQUIRE(job.runtime().on_bad_record().stop_if_over() == 0.01);
    const proto::Source& source = job.sources(0);
    REQUIRE(source.format() == proto::FORMAT_JSON);
    REQUIRE(source.max_record_bytes() == 1 << 20);
    REQUIRE(source.kafka().start().position() == proto::START_POSITION_COMMITTED_OR_LATEST);
    REQUIRE(source.event_time().max_delay_ms() == 30'000);
    REQUIRE(source.event_time().idle_after_ms() == 30'000);
    REQUIRE_FALSE(source.event_time().has_field());
    REQUIRE(job.features(0).bits() == 22);
    REQUIRE(job.features(0).seed() == 1);
    REQUIRE(job.models(0).learner().sgd().rate() == 0.02);
    REQUIRE(job.steps(0).train().publish_every_ms() == 100);
    REQUIRE(job.steps(2).evaluate().method() == proto::EVALUATE_METHOD_PROGRESSIVE);
    REQUIRE(job.sinks(0).kafka().format() == proto::SINK_FORMAT_JSON);
}

TEST_CASE("defaults that depend on other keys are filled in", "[jobfile][defaults]") {
    const proto::Job job = complete(std::string(kSmall));
    REQUIRE(job.sources(0).kafka().group() == "millrace-small");
    REQUIRE(job.sources(0).kafka().cluster() == "default");
    REQUIRE(job.sinks(0).kafka().cluster() == "default");
    REQUIRE(job.features(0).columns(0).from() == "ad_id");
    REQUIRE(job.models(0).learner().sgd().loss() == proto::LOSS_LOGISTIC);
    REQUIRE(job.models(1).learner().adagrad().loss() == proto::LOSS_SQUARED);
    REQUIRE(job.steps(0).parallelism() == 1);
    REQUIRE(job.steps(1).parallelism() == 3);
    REQUIRE(job.steps(0).train().order() == proto::ORDER_ARRIVAL);
    REQUIRE(job.steps(2).evaluate().metrics_size() == 4);
    REQUIRE(job.runtime().on_bad_record().send_to() == "bad");
}

TEST_CASE("a source without schema gets one from the use of its fields", "[jobfile][defaults]") {
    const proto::Job job = complete(std::string(kSmall));
    REQUIRE(job.sources(0).schema() == "impressions");
    REQUIRE(job.schemas_size() == 1);
    std::vector<std::string> fields;
    for (const proto::SchemaField& field : job.schemas(0).fields()) {
        fields.push_back(
            field.name() + " " +
            type_word(static_cast<ValueType>(field.type().element()), field.type().list()));
    }
    REQUIRE(fields == std::vector<std::string>{"ad_id string", "bid float64", "tags list<string>",
                                               "click float64", "id string"});
}

TEST_CASE("training of input that ends is canonical, and a file has one reader",
          "[jobfile][defaults]") {
    std::string text(kSmall);
    text.replace(text.find("type: kafka, topic: ad_clicks"), 29, "type: file, path: clicks.jsonl");
    text.replace(text.find("name: small"), 11, "name: small\nruntime: { parallelism: 4 }");
    const proto::Job job = complete(text);
    REQUIRE(job.steps(0).train().order() == proto::ORDER_CANONICAL);
    REQUIRE(job.sources(0).parallelism() == 1);
    REQUIRE(job.steps(0).parallelism() == 4);
    REQUIRE(job.steps(2).parallelism() == 1);
}

TEST_CASE("steps after a prediction read its scores and versions", "[jobfile]") {
    const std::string head =
        "version: 1\nname: scores\n"
        "schemas:\n  click: { id: string, device: string, label: int32 }\n"
        "sources:\n  clicks: { type: kafka, topic: clicks, schema: click }\n"
        "features:\n  f: { columns: { device: hashed } }\n"
        "models:\n  plain: { task: binary, features: f, learner: ftrl }\n"
        "  bayes: { task: binary, features: f, learner: adpredictor }\n"
        "steps:\n"
        "  learn: { type: train, from: clicks, label: label, models: [plain, bayes] }\n"
        "  scored: { type: predict, from: clicks, models: [plain, bayes], keep: [id] }\n";
    const std::string tail = "sinks:\n  out: { type: discard, from: picked }\n";
    const auto text = [&](const std::string& expression) {
        return head + "  picked: { type: filter, from: scored, where: \"" + expression + "\" }\n" +
               tail;
    };
    for (const std::string field :
         {"plain.score", "plain.version", "bayes.score", "bayes.variance", "bayes.version"}) {
        const Validation validation = validate_text(text("predictions." + field + " > 0"));
        CAPTURE(report_text(validation));
        REQUIRE(validation.job != nullptr);
    }
    // A learner without variances gives none, and what was not kept is gone.
    for (const std::string field : {"predictions.plain.variance", "device"}) {
        const Validation validation = validate_text(text(field + " > 0"));
        CAPTURE(field);
        REQUIRE(validation.job == nullptr);
        REQUIRE_THAT(report_text(validation), Catch::Contains("there is no field \"" + field));
    }
}

TEST_CASE("the only cluster written in the file is the default one", "[jobfile][defaults]") {
    const proto::Job job = complete(
        std::string(kSmall) + "kafka: { clusters: { dev: { brokers: \"localhost:9092\" } } }\n");
    REQUIRE(job.sources(0).kafka().cluster() == "dev");
    REQUIRE(job.sinks(0).kafka().cluster() == "dev");
}

TEST_CASE("a rendered job reads back as the same job", "[jobfile][render]") {
    const std::string name = GENERATE("ctr", "ctr_criteo", "smallest");
    const Validation first = validate_file("jobs/" + name + ".yaml", no_variables);
    const std::string text = render(*first.job, first.places);
    const Validation second = validate_text(text);
    INFO(text << report_text(second));
    REQUIRE(second.job != nullptr);
    REQUIRE(google::protobuf::util::MessageDifferencer::Equals(*first.job, *second.job));
}

TEST_CASE("rendering marks defaults and hides secrets", "[jobfile][render]") {
    const Validation validation = validate_text(
        std::string(kSmall) +
        "kafka:\n  clusters:\n    dev:\n      brokers: \"localhost:9092\"\n"
        "      properties: { sasl.password: hunter2, ssl.key.password: \"secret:kafka\" }\n");
    INFO(report_text(validation));
    REQUIRE(validation.job != nullptr);
    const std::string text = render(*validation.job, validation.places);
    REQUIRE(text.find("hunter2") == std::string::npos);
    REQUIRE(text.find("\"secret:kafka\"") != std::string::npos);
    REQUIRE(text.find("  delivery: at_least_once  # default\n") != std::string::npos);
    REQUIRE(text.find("    parallelism: 3\n") != std::string::npos);
    REQUIRE(text.find("    topic: ad_clicks\n") != std::string::npos);
}

TEST_CASE("a dollar in a value survives rendering", "[jobfile][render]") {
    const std::string text = std::string(kSmall) + "description: '$$5, $${HOME}, $5, $$$$ and $'\n";
    const Validation first = validate_text(text);
    REQUIRE(first.job->description() == "$5, ${HOME}, $5, $$ and $");
    const Validation second = validate_text(render(*first.job, first.places));
    REQUIRE(second.job->description() == first.job->description());
}

TEST_CASE("what is sent to a server has layers and variables filled in", "[jobfile][validate]") {
    const config::VariableLookup variables = [](std::string_view name) {
        return name == "TOPIC" ? std::optional<std::string>("a: b # c") : std::nullopt;
    };
    std::string text(kSmall);
    text.replace(text.find("topic: ad_clicks"), 16, "topic: \"${TOPIC}\"");
    const Validation local = validate({{"a.yaml", text}, {"b.yaml", "description: $$5\n"}},
                                      {.variables = variables, .assignments = {"name=other"}});
    INFO(report_text(local));
    REQUIRE(local.job != nullptr);
    REQUIRE(local.job->sources(0).kafka().topic() == "a: b # c");
    const Validation remote = validate({{"job.yaml", local.resolved}}, {});
    INFO(report_text(remote) << local.resolved);
    REQUIRE(remote.job != nullptr);
    REQUIRE(google::protobuf::util::MessageDifferencer::Equals(*local.job, *remote.job));
    REQUIRE(remote.job->name() == "other");
    REQUIRE(remote.job->description() == "$5");
}

TEST_CASE("warnings can be denied and allowed", "[jobfile][validate]") {
    const std::vector<JobText> job{{"w.yaml", read_source_file("tests/golden/jobfile/W045.yaml")}};
    REQUIRE(validate(job, {.variables = no_variables}).job != nullptr);
    const Validation denied = validate(job, {.variables = no_variables, .deny_warnings = true});
    REQUIRE(denied.job == nullptr);
    REQUIRE(denied.diagnostics.at(0).severity == config::Severity::kError);
    const Validation allowed = validate(
        job, {.variables = no_variables, .deny_warnings = true, .allowed_warnings = {"W045"}});
    REQUIRE(allowed.job != nullptr);
    REQUIRE(allowed.diagnostics.empty());
}

TEST_CASE("a job may have 32 layers", "[jobfile][validate]") {
    std::vector<JobText> layers{{"a.yaml", std::string(kSmall)}};
    while (layers.size() < kLayersMax) {
        layers.push_back({"b.yaml", "description: more\n"});
    }
    REQUIRE(validate(layers, {.variables = no_variables}).job != nullptr);
    layers.push_back({"b.yaml", "description: more\n"});
    const Validation refused = validate(layers, {.variables = no_variables});
    REQUIRE(refused.job == nullptr);
    REQUIRE(refused.diagnostics.at(0).code == "E003");
}

std::vector<std::string> codes_of(const Validation& validation) {
    std::vector<std::string> codes;
    codes.reserve(validation.diagnostics.size());
    for (const config::Diagnostic& entry : validation.diagnostics) codes.push_back(entry.code);
    return codes;
}

TEST_CASE("one run reports the errors of all phases", "[jobfile][validate]") {
    std::string text(kSmall);
    text.replace(text.find("from: impressions"), 17, "from: nowhere");
    text.replace(text.find("window: 100rows"), 15, "window: 100, parallelism: 2");
    text.replace(text.find("task: regression"), 16, "task: binary, alpha: 1");
    const Validation validation = validate_text(text);
    INFO(report_text(validation));
    // The unknown key of `price`, the missing source, the parallelism and the unit of `quality`;
    // not that `quality` reads something else than the `train` step, whose input is not known.
    REQUIRE(codes_of(validation) == std::vector<std::string>{"E010", "E040", "E021", "E077"});
    REQUIRE(validation.job == nullptr);
}

// Replaces one piece of the small job; the codes that come out.
std::vector<std::string> codes_after(std::string_view piece, std::string_view other) {
    std::string text(kSmall);
    REQUIRE(text.find(piece) != std::string::npos);
    text.replace(text.find(piece), piece.size(), other);
    const Validation validation = validate_text(text);
    UNSCOPED_INFO(report_text(validation));
    return codes_of(validation);
}

TEST_CASE("nothing is reported that follows from a part that could not be read",
          "[jobfile][validate]") {
    using Codes = std::vector<std::string>;
    CHECK(codes_after("models:\n", "modles:\n") == Codes{"E010"});
    CHECK(codes_after("sources:\n  impressions: { type: kafka, topic: ad_clicks }", "sources: 5") ==
          Codes{"E013"});
    CHECK(codes_after("{ type: kafka, topic: ad_clicks }", "{ type: kafak, topc: ad_clicks }") ==
          Codes{"E016", "E010"});
    CHECK(codes_after("type: train", "type: trains_it") == Codes{"E016"});
    CHECK(codes_after("from: scored, ", "form: scored, ") == Codes{"E010"});
    CHECK(codes_after("task: binary", "task: binry") == Codes{"E015"});
    CHECK(codes_after("columns: {", "colums: {") == Codes{"E010"});
    CHECK(codes_after("models: [ctr, price], keep", "models: 5, keep") == Codes{"E013"});
    CHECK(codes_after("from: quality", "from: [quality]") == Codes{"E013"});
    CHECK(codes_after("from: impressions, models: [ctr], w",
                      "from: \"${FROM}\", models: [ctr], w") == Codes{"E004"});
}

TEST_CASE("a value that nobody wrote has the place of its section", "[jobfile][places]") {
    const Validation validation = validate_text(std::string(kSmall));
    REQUIRE(validation.places.is_written("sources.impressions.topic"));
    REQUIRE_FALSE(validation.places.is_written("sources.impressions.cluster"));
    REQUIRE(validation.places.value_of("sources.impressions.topic").line == 4);
    REQUIRE(validation.places.value_of("sources.impressions.cluster").line == 4);
    REQUIRE(validation.places.value_of("sources.impressions.cluster").column == 3);
    REQUIRE(validation.places.value_of("models.ctr.learner.rate").line == 8);
    REQUIRE(validation.places.value_of("nothing.at.all").line == 1);
}

TEST_CASE("explaining a code prints its cause and an example", "[jobfile][error_codes]") {
    const ErrorCode* code = find_error_code("E012");
    REQUIRE(code != nullptr);
    REQUIRE(explain_error_code(*code) ==
            "E012: required key missing\n\n"
            "The section cannot do without this key.\n\n"
            "Example:\n  clicks: { type: kafka }   # no topic\n");
    REQUIRE(find_error_code("E999") == nullptr);
}

TEST_CASE("a code that does not exist has a nearest one of its letter", "[jobfile][error_codes]") {
    REQUIRE(nearest_error_code("E999").code == "E112");
    REQUIRE(nearest_error_code("E074").code == "E073");
    REQUIRE(nearest_error_code("W1").code == "W041");
    REQUIRE(nearest_error_code("E013").code == "E013");
}

TEST_CASE("codes are in order and none is used twice", "[jobfile][error_codes]") {
    std::string_view last;
    for (const ErrorCode& code : error_codes()) {
        REQUIRE(code.code > last);
        REQUIRE_FALSE(code.title.empty());
        REQUIRE_FALSE(code.cause.empty());
        REQUIRE_FALSE(code.example.empty());
        last = code.code;
    }
    for (const std::string_view retired : {"E074"}) REQUIRE(find_error_code(retired) == nullptr);
}

}  // namespace
}  // namespace millrace::jobfile
