#include "memory/memory_keys.h"

#include <fstream>
#include <iterator>
#include <set>

#include <catch2/catch.hpp>
#include <fmt/format.h>

namespace millrace::memory {
namespace {

// The README's table, made from the keys.
std::string key_table() {
    std::string table = "| key | default | doc |\n|---|---|---|\n";
    for (const auto& key : memory_keys()) {
        const bool is_later = key.effect == MemoryKey::Effect::kLater;
        table += fmt::format("| `{}` | {} | {}{} |\n", key.name, key.default_value, key.doc,
                             is_later ? " Without effect in this version." : "");
    }
    return table;
}

KeyValues::Notes notes_of(std::vector<Setting> settings) {
    KeyValues::Notes notes;
    KeyValues::read(settings, notes);
    return notes;
}

std::string problem_of(const std::string& key, const std::string& value) {
    const auto notes = notes_of({{key, value, "", 0}});
    REQUIRE(notes.problems.size() == 1);
    return notes.problems[0];
}

}  // namespace

TEST_CASE("Every memory key is named once and takes its own default", "[memory][memory_keys]") {
    std::set<std::string_view> names;
    for (const auto& key : memory_keys()) {
        CAPTURE(key.name);
        CHECK(names.insert(key.name).second);
        CHECK(is_memory_key(key.name));
        CHECK_FALSE(key.doc.empty());
        if (key.default_value.empty()) continue;
        const Setting setting{std::string(key.name), std::string(key.default_value), "", 0};
        CHECK(notes_of({setting}).problems.empty());
    }
}

TEST_CASE("The README lists every memory key", "[memory][memory_keys]") {
    std::ifstream file(MILLRACE_SOURCE_DIR "/memory/README.md");
    const std::string readme{std::istreambuf_iterator<char>(file), {}};
    CHECK_THAT(readme, Catch::Contains(key_table()));
}

TEST_CASE("Old keys point to what replaces them", "[memory][memory_keys]") {
    const auto [key, advice] = GENERATE(table<std::string, std::string>({
        {"taskmanager.memory.framework.heap.size", "taskmanager.memory.framework.size"},
        {"taskmanager.memory.framework.off-heap.size", "taskmanager.memory.framework.size"},
        {"taskmanager.memory.task.heap.size", "taskmanager.memory.task.size"},
        {"taskmanager.memory.task.off-heap.size", "taskmanager.memory.task.size"},
        {"taskmanager.memory.jvm-overhead.fraction", "taskmanager.memory.overhead.*"},
        {"taskmanager.memory.jvm-metaspace.size", "remove the line"},
        {"taskmanager.memory.off-heap.enabled", "taskmanager.memory.defragmentation.enabled"},
        {"taskmanager.network.memory.max-overdraft-buffers-per-gate", "there is no overdraft"},
        {"jobmanager.memory.jvm-overhead.min", "jobmanager.memory.overhead.*"},
        {"jobmanager.memory.enable-jvm-direct-memory-limit", "remove the line"},
        {"env.java.opts", "does not exist natively"},
        {"env.java.opts.taskmanager", "does not exist natively"},
    }));
    CAPTURE(key);
    CHECK(is_memory_key(key));
    CHECK_THAT(problem_of(key, "1"), Catch::Contains(advice));
}

TEST_CASE("An unknown key is answered with the one that it resembles", "[memory][memory_keys]") {
    CHECK_THAT(problem_of("taskmanager.memory.managed.fracton", "0.4"),
               Catch::EndsWith("did you mean taskmanager.memory.managed.fraction?"));
    CHECK_THAT(problem_of("taskmanager.memory.segmentsize", "32k"),
               Catch::EndsWith("did you mean taskmanager.memory.segment-size?"));
    CHECK_THAT(problem_of("taskmanager.memory.network.mni", "1m"),
               Catch::EndsWith("did you mean taskmanager.memory.network.min?"));
    CHECK_THAT(problem_of("taskmanger.memory.process.size", "1g"),
               Catch::EndsWith("did you mean taskmanager.memory.process.size?"));
    CHECK_THAT(problem_of("taskmanager.numberOfTaskSlot", "4"),
               Catch::EndsWith("did you mean taskmanager.numberOfTaskSlots?"));
}

TEST_CASE("A key that resembles none is answered with those that there are",
          "[memory][memory_keys]") {
    const auto [key, advice] = GENERATE(table<std::string, std::string>({
        // 25 letters, of which 19 are right: the prefix.
        {"taskmanager.memory.banana", "behind `taskmanager.memory.` may stand process.size, "},
        {"jobmanager.memory.heap",
         "behind `jobmanager.memory.` may stand process.size, flink.size, "
         "overhead.fraction, overhead.min, overhead.max."},
        {"memory.tuning.sp", "behind `memory.tuning.` may stand mode."},
        {"banana",
         "keys of memory begin with `taskmanager.memory.`, "
         "`taskmanager.network.memory.`, `jobmanager.memory.`, `memory.tuning.`."},
    }));
    CAPTURE(key);
    CHECK_THAT(problem_of(key, "1"),
               Catch::Contains("unknown key. Hint: " + advice) && !Catch::Contains("did you mean"));
}

TEST_CASE("A value out of its range is refused with the range", "[memory][memory_keys]") {
    const auto [key, value, text] = GENERATE(table<std::string, std::string, std::string>({
        {"taskmanager.numberOfTaskSlots", "0", "from 1 to 256"},
        {"taskmanager.numberOfTaskSlots", "257", "from 1 to 256"},
        {"taskmanager.numberOfTaskSlots", "many", "not a whole number"},
        {"taskmanager.memory.segment-size", "1k", "from 4 KiB to 1 MiB"},
        {"taskmanager.memory.process.size", "0", "at least 1 bytes"},
        {"taskmanager.memory.network.fraction", "1.0", "not a fraction"},
        {"taskmanager.memory.prefault", "yes", "neither true nor false"},
        {"taskmanager.memory.huge-pages", "always", "transparent|off"},
        {"taskmanager.memory.huge-pages", "", "transparent|off"},
        {"taskmanager.memory.reclaim.interval", "5 parsecs", "not a duration"},
        {"taskmanager.memory.managed.consumer-weights", "PYTHON:30", "use MODEL"},
        {"taskmanager.network.memory.buffers-per-channel", "abc", "not a whole number"},
    }));
    CAPTURE(key, value);
    CHECK_THAT(problem_of(key, value), Catch::Contains(key) && Catch::Contains(text));
}

TEST_CASE("A key that is set twice is refused with both places", "[memory][memory_keys]") {
    const auto notes = notes_of({{"taskmanager.memory.process.size", "1g", "a.yaml", 3},
                                 {"taskmanager.memory.process.size", "2g", "b.yaml", 4}});
    REQUIRE(notes.problems.size() == 1);
    CHECK(notes.problems[0] ==
          "b.yaml:4: taskmanager.memory.process.size: set twice, to '2g' and first to '1g' at "
          "a.yaml:3. Hint: remove one of them.");
}

TEST_CASE("A key that two flags set is named once", "[memory][memory_keys]") {
    const auto notes = notes_of({{"taskmanager.numberOfTaskSlots", "2", "", 0},
                                 {"taskmanager.numberOfTaskSlots", "4", "", 0}});
    REQUIRE(notes.problems.size() == 1);
    CHECK(notes.problems[0] ==
          "taskmanager.numberOfTaskSlots: set twice, to '4' and first to '2'. Hint: remove one of "
          "them.");
}

TEST_CASE("A key without effect in this version is a warning, not silence",
          "[memory][memory_keys]") {
    const auto notes = notes_of({{"taskmanager.memory.reclaim.interval", "5 s", "", 0}});
    CHECK(notes.problems.empty());
    REQUIRE(notes.warnings.size() == 1);
    CHECK_THAT(notes.warnings[0], Catch::Contains("no effect"));
}

TEST_CASE("Keys of other parts are not judged here", "[memory][memory_keys]") {
    CHECK_FALSE(is_memory_key("taskmanager.host"));
    CHECK_FALSE(is_memory_key("job.autoscaler.enabled"));
    CHECK_FALSE(is_memory_key("taskmanager.network.detailed-metrics"));
}

}  // namespace millrace::memory
