#include "runtime/config/options_table.h"

#include <algorithm>

#include <catch2/catch.hpp>

namespace millrace::config {
namespace {

const OptionsTable& table() {
    static const OptionsTable kTable({
        {.name = "taskmanager.numberOfTaskSlots",
         .type = OptionType::kCount,
         .default_value = "4",
         .min = "1",
         .max = "256",
         .doc = "Subtasks this process can run at once."},
        {.name = "taskmanager.memory.process.size", .type = OptionType::kSize, .doc = "All of it."},
        {.name = "taskmanager.memory.managed.fraction",
         .type = OptionType::kFraction,
         .default_value = "0.4",
         .doc = "Share of managed memory."},
        {.name = "rest.port",
         .type = OptionType::kCount,
         .default_value = "8081",
         .max = "65535",
         .doc = "Port of the API."},
        {.name = "rest.token", .secret = true, .doc = "Who may change things."},
        {.name = "heartbeat.interval",
         .type = OptionType::kTime,
         .default_value = "1s",
         .min = "10ms",
         .audience = Audience::kTuning,
         .doc = "Between heartbeats."},
        {.name = "log.format",
         .type = OptionType::kWord,
         .default_value = "text",
         .words = "text|json",
         .doc = "Form of log lines."},
        {.name = "jobs.allow_inline_kafka",
         .type = OptionType::kBool,
         .default_value = "false",
         .doc = "Whether jobs bring connections."},
        {.name = "jobs.socket_addresses", .type = OptionType::kList, .doc = "Allowed addresses."},
        {.name = "kafka.clusters.*.brokers", .doc = "Addresses of a cluster."},
        {.name = "kafka.clusters.*.properties.**", .doc = "Any librdkafka property."},
        {.name = "taskmanager.memory.framework.heap.size",
         .rejected = "write taskmanager.memory.framework.size"},
    });
    return kTable;
}

std::vector<Diagnostic> load(OptionValues& values, const std::string& text) {
    const YamlDocument document = read_yaml(text, 0);
    REQUIRE(document.root.has_value());
    return values.read_file(*document.root);
}

std::string only_code(const std::string& text) {
    OptionValues values(table());
    const auto diagnostics = load(values, text);
    REQUIRE(diagnostics.size() == 1);
    return diagnostics[0].code;
}

TEST_CASE("a file may write keys nested or dotted", "[config][options_table]") {
    OptionValues values(table());
    REQUIRE(load(values,
                 "taskmanager:\n  numberOfTaskSlots: 16\n  memory.process.size: 1728m\n"
                 "rest.port: 9000\njobs: { socket_addresses: [\"a:1\", \"b:2\"] }\n")
                .empty());
    REQUIRE(values.count("taskmanager.numberOfTaskSlots") == 16);
    REQUIRE(values.size_bytes("taskmanager.memory.process.size") == 1811939328);
    REQUIRE(values.count("rest.port") == 9000);
    REQUIRE(values.list("jobs.socket_addresses") == std::vector<std::string>{"a:1", "b:2"});
}

TEST_CASE("values that nobody set are the defaults", "[config][options_table]") {
    const OptionValues values(table());
    REQUIRE(values.count("taskmanager.numberOfTaskSlots") == 4);
    REQUIRE(values.number("taskmanager.memory.managed.fraction") == 0.4);
    REQUIRE(values.time_ms("heartbeat.interval") == 1000);
    REQUIRE(values.text("log.format") == "text");
    REQUIRE_FALSE(values.boolean("jobs.allow_inline_kafka"));
    REQUIRE_FALSE(values.is_set("rest.port"));
    REQUIRE_FALSE(values.find("taskmanager.memory.process.size").has_value());
    REQUIRE(values.list("jobs.socket_addresses").empty());
}

TEST_CASE("flags beat the environment, and that beats the file", "[config][options_table]") {
    OptionValues values(table());
    REQUIRE(load(values, "rest.port: 1\nlog.format: json\nheartbeat.interval: 2s\n").empty());
    const VariableLookup environment = [](std::string_view name) -> std::optional<std::string> {
        if (name == "MILLRACE_REST_PORT") {
            return "2";
        }
        return name == "MILLRACE_LOG_FORMAT" ? std::optional<std::string>("text") : std::nullopt;
    };
    REQUIRE(values.read_environment(environment).empty());
    REQUIRE(values.set_flag("rest.port", "3").empty());
    REQUIRE(values.count("rest.port") == 3);
    REQUIRE(values.text("log.format") == "text");
    std::vector<std::string> origins;
    for (const EffectiveOption& option : values.effective()) {
        origins.push_back(option.name + " " + option.text + " " +
                          std::string(to_string(option.origin)));
    }
    REQUIRE(std::ranges::count(origins, "rest.port 3 flag") == 1);
    REQUIRE(std::ranges::count(origins, "log.format text env") == 1);
    REQUIRE(std::ranges::count(origins, "heartbeat.interval 2s file") == 1);
    REQUIRE(std::ranges::count(origins, "taskmanager.numberOfTaskSlots 4 default") == 1);
}

TEST_CASE("an unknown key names the nearest one", "[config][options_table]") {
    OptionValues values(table());
    const auto diagnostics = load(
        values, "taskmanager:\n  numberOfTaskSlot: 1\n  memory:\n    framework.heap.size: 1m\n");
    REQUIRE(diagnostics.size() == 2);
    REQUIRE(diagnostics[0].code == "E010");
    REQUIRE(diagnostics[0].mark.line == 2);
    REQUIRE(diagnostics[0].fix == "did you mean \"taskmanager.numberOfTaskSlots\"?");
    REQUIRE(diagnostics[1].fix == "write taskmanager.memory.framework.size");
}

TEST_CASE("values of the wrong type or range are refused", "[config][options_table]") {
    REQUIRE(only_code("rest.port: 70000\n") == "E023");
    REQUIRE(only_code("rest.port: -1\n") == "E014");
    REQUIRE(only_code("rest.port: 1.5\n") == "E014");
    REQUIRE(only_code("rest.port: 99999999999999999999\n") == "E014");
    REQUIRE(only_code("rest.port: [1]\n") == "E013");
    REQUIRE(only_code("rest.port:\n") == "E013");
    REQUIRE(only_code("taskmanager.numberOfTaskSlots: 0\n") == "E023");
    REQUIRE(only_code("taskmanager.memory.managed.fraction: 1.5\n") == "E023");
    REQUIRE(only_code("taskmanager.memory.process.size: big\n") == "E022");
    REQUIRE(only_code("heartbeat.interval: 5\n") == "E021");
    REQUIRE(only_code("heartbeat.interval: 1ms\n") == "E023");
    REQUIRE(only_code("log.format: jsn\n") == "E015");
    REQUIRE(only_code("jobs.allow_inline_kafka: yes\n") == "E014");
    REQUIRE(only_code("rest: { port: 1 }\nrest.port: 2\n") == "E011");
    REQUIRE(only_code("just text\n") == "E013");
}

TEST_CASE("a refused variable of the environment is named", "[config][options_table]") {
    OptionValues values(table());
    const auto diagnostics = values.read_environment([](std::string_view name) {
        return name == "MILLRACE_REST_PORT" ? std::optional<std::string>("x") : std::nullopt;
    });
    REQUIRE(diagnostics.size() == 1);
    REQUIRE(to_text(diagnostics[0], SourceTexts()) ==
            "error: `rest.port` (MILLRACE_REST_PORT) is a whole number from 0 on, and \"x\" is "
            "none [E014]\n");
    REQUIRE(values.count("rest.port") == 8081);
}

TEST_CASE("a pattern stands for keys that users name", "[config][options_table]") {
    OptionValues values(table());
    REQUIRE(load(values,
                 "kafka.clusters:\n  ads:\n    brokers: \"a:9092,b:9092\"\n"
                 "    properties: { security.protocol: ssl }\n")
                .empty());
    REQUIRE(values.text("kafka.clusters.ads.brokers") == "a:9092,b:9092");
    REQUIRE(values.below("kafka.clusters.ads.properties.") ==
            std::map<std::string, std::string>{{"security.protocol", "ssl"}});
    REQUIRE(only_code("kafka.clusters.ads.broker: a\n") == "E010");
    REQUIRE(only_code("kafka.clusters.ads: a\n") == "E010");
}

TEST_CASE("secrets are not printed", "[config][options_table]") {
    OptionValues values(table());
    REQUIRE(values.set_flag("rest.token", "hunter2").empty());
    for (const EffectiveOption& option : values.effective()) {
        REQUIRE(option.text != "hunter2");
    }
    REQUIRE(values.text("rest.token") == "hunter2");
}

TEST_CASE("the Markdown table lists users' keys first and no refused ones",
          "[config][options_table]") {
    const std::string text = table().markdown();
    REQUIRE(
        text.starts_with("| key | type | default | range | meaning |\n|---|---|---|---|---|\n"
                         "| `taskmanager.numberOfTaskSlots` | whole number | 4 | 1 to 256 | "
                         "Subtasks this process can run at once. |\n"));
    REQUIRE(
        text.ends_with("| `heartbeat.interval` | time | 1s | from 10ms | Between heartbeats. |\n"));
    REQUIRE(text.find("heap.size") == std::string::npos);
    REQUIRE(text.find("| `log.format` | word | text | text json |") != std::string::npos);
}

TEST_CASE("the variable of a key is its name in capitals", "[config][options_table]") {
    REQUIRE(environment_name("taskmanager.numberOfTaskSlots") ==
            "MILLRACE_TASKMANAGER_NUMBEROFTASKSLOTS");
    REQUIRE(environment_name("rest.bind-address") == "MILLRACE_REST_BIND_ADDRESS");
}

}  // namespace
}  // namespace millrace::config
