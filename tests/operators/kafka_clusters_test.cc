#include "operators/kafka/kafka_clusters.h"

#include <map>
#include <optional>

#include <catch2/catch.hpp>

namespace millrace::operators {
namespace {

using Texts = std::map<std::string, std::string>;

Result<std::string> text_in(const Texts& texts, const std::string& name) {
    const auto found = texts.find(name);
    if (found == texts.end()) return fail(Code::kInvalidOption, "not there");
    return found->second;
}

Result<std::vector<KafkaConnection>> read(const std::vector<memory::Setting>& settings,
                                          const Texts& texts = {}) {
    const auto file = [&](const std::string& path) { return text_in(texts, path); };
    const auto variable = [&](std::string_view name) -> std::optional<std::string> {
        const auto found = texts.find(std::string(name));
        return found == texts.end() ? std::nullopt : std::optional(found->second);
    };
    return kafka_clusters_of(settings, {.file = file, .variable = variable});
}

std::string problems(const std::vector<memory::Setting>& settings, const Texts& texts = {}) {
    const auto clusters = read(settings, texts);
    REQUIRE_FALSE(clusters);
    CHECK(clusters.error().code == Code::kInvalidOption);
    return clusters.error().message;
}

}  // namespace

TEST_CASE("Kafka clusters are read from the settings, with what their values refer to",
          "[operators][kafka_clusters]") {
    const auto clusters =
        read({{.key = "kafka.clusters.main.brokers", .value = "a:1,b:2"},
              {.key = "taskmanager.numberOfTaskSlots", .value = "4"},
              {.key = "kafka.clusters.main.properties.sasl.username", .value = "env:USER"},
              {.key = "kafka.clusters.main.properties.sasl.password", .value = "file:/p"},
              {.key = "kafka.clusters.spare.brokers", .value = "c:3"}},
             {{"USER", "mill"}, {"/p", "a secret \r\n"}});
    REQUIRE(clusters);
    REQUIRE(clusters->size() == 2);
    const KafkaConnection& main = clusters->front();
    CHECK(main.name == "main");
    CHECK(main.brokers == "a:1,b:2");
    CHECK(main.properties ==
          KafkaProperties{{"sasl.username", "mill"}, {"sasl.password", "a secret "}});
    CHECK(clusters->back().name == "spare");
    CHECK(clusters->back().properties.empty());
    CHECK(read({})->empty());
}

TEST_CASE("Every problem of the Kafka clusters' settings is told with its place",
          "[operators][kafka_clusters]") {
    const std::string text = problems(
        {{.key = "kafka.clusters.main.broker", .value = "a:1", .file = "m.yaml", .line = 3},
         {.key = "kafka.cluster.main.brokers", .value = "a:1"},
         {.key = "kafka.clusters.main.properties.", .value = "x"},
         {.key = "kafka.clusters..brokers", .value = "a:1"},
         {.key = "kafka.clusters.main", .value = "a:1"},
         {.key = "kafka.clusters.good.brokers", .value = "a:1"},
         {.key = "kafka.clusters.good.brokers", .value = "b:1", .file = "m.yaml", .line = 9},
         {.key = "kafka.clusters.good.properties.no.such", .value = "x"},
         {.key = "kafka.clusters.good.properties.acks", .value = "0"},
         {.key = "kafka.clusters.good.properties.enable.auto.commit", .value = "true"},
         {.key = "kafka.clusters.good.properties.sasl.password", .value = "file:/gone"},
         {.key = "kafka.clusters.spare.properties.client.id", .value = "env:EMPTY"}},
        {{"EMPTY", ""}});
    CAPTURE(text);
    using Catch::Contains;
    CHECK_THAT(text, Contains("is not valid (12 problems)\n"));
    CHECK_THAT(text, Contains("  m.yaml:3: kafka.clusters.main.broker: unknown key. Hint: write "
                              "kafka.clusters.NAME.brokers"));
    for (const char* key : {"kafka.cluster.main.brokers", "kafka.clusters.main.properties.",
                            "kafka.clusters..brokers", "kafka.clusters.main"})
        CHECK_THAT(text, Contains(std::string("\n  ") + key + ": unknown key"));
    CHECK_THAT(text, Contains("m.yaml:9: kafka.clusters.good.brokers: set twice"));
    CHECK_THAT(text, Contains("No such configuration property: \"no.such\""));
    CHECK_THAT(text, Contains("acks is set by Millrace and cannot be changed"));
    CHECK_THAT(text, Contains("enable.auto.commit is set by Millrace and cannot be changed"));
    CHECK_THAT(text, Contains("sasl.password: cannot read file:/gone: not there."));
    CHECK_THAT(text, Contains("client.id: the value at env:EMPTY is empty."));
    CHECK_THAT(text, Contains("kafka.clusters.spare: it has no brokers. Hint: set "
                              "kafka.clusters.spare.brokers=HOST:PORT."));
}

TEST_CASE("A secret of a Kafka cluster is not cut off, and not shown",
          "[operators][kafka_clusters]") {
    const std::string text =
        problems({{.key = "kafka.clusters.main.brokers", .value = "a:1"},
                  {.key = "kafka.clusters.main.properties.sasl.password", .value = "file:/p"}},
                 {{"/p", std::string("hidden\0tail", 11)}});
    CHECK_THAT(text, Catch::Contains("sasl.password: the value has a byte of 0 in it.") &&
                         !Catch::Contains("hidden"));
}

// What reads a file may hand out its beginning only, and one byte more than it should have.
TEST_CASE("A value of a Kafka cluster that is too long is refused instead of cut",
          "[operators][kafka_clusters]") {
    const std::vector<memory::Setting> settings{
        {.key = "kafka.clusters.main.brokers", .value = "a:1"},
        {.key = "kafka.clusters.main.properties.sasl.password", .value = "file:/p"}};
    const std::string longest(1'048'576, 'x');
    const auto read_whole = read(settings, {{"/p", longest}});
    REQUIRE(read_whole);
    CHECK(read_whole->front().properties.front().second == longest);
    CHECK_THAT(
        problems(settings, {{"/p", longest + "x"}}),
        Catch::Contains("sasl.password: the value at file:/p has more than 1048576 bytes.") &&
            !Catch::Contains("xx"));
}

}  // namespace millrace::operators
