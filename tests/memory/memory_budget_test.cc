#include "memory/memory_budget.h"

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include "memory/byte_size.h"

namespace millrace::memory {
namespace {

using Settings = std::vector<Setting>;
constexpr double kMib = 1 << 20;

// "key=value" pairs, the prefix taskmanager.memory. left out.
Settings memory(std::initializer_list<std::pair<std::string, std::string>> pairs) {
    Settings settings;
    for (const auto& [key, value] : pairs) {
        settings.push_back({"taskmanager.memory." + key, value, "millrace.yaml",
                            static_cast<int>(settings.size()) + 1});
    }
    return settings;
}

Settings with_slots(Settings settings, std::string slots) {
    settings.push_back({"taskmanager.numberOfTaskSlots", std::move(slots), "", 0});
    return settings;
}

MemoryBudget budget_of(const Settings& settings) {
    const auto budget = MemoryBudget::derive(settings, {});
    if (!budget) FAIL(budget.error().message);
    return *budget;
}

std::string refusal_of(const Settings& settings, const MachineMemory& machine = {}) {
    const auto budget = MemoryBudget::derive(settings, machine);
    REQUIRE_FALSE(budget);
    CHECK(budget.error().code == Code::kInvalidOption);
    return budget.error().message;
}

double mib(const RegionSize& region) { return static_cast<double>(region.bytes) / kMib; }

std::uint64_t sum_of(const MemoryBudget& b) {
    return b.framework.bytes + b.task.bytes + b.managed.bytes + b.network.bytes + b.overhead.bytes;
}

struct Golden {
    std::string key, value, slots;
    double process, total, framework, task, managed;
    std::uint64_t pages;
    double network;
    std::uint32_t buffers;
    double overhead;
};

}  // namespace

TEST_CASE("MemoryBudget derives the golden values to the byte", "[memory][memory_budget]") {
    const auto g = GENERATE(values<Golden>({
        {"process.size", "512m", "1", 512, 448, 64, 140.8125, 179.1875, 5734, 64, 2048, 64},
        {"process.size", "1024m", "1", 1024, 921.6, 64, 396.81875, 368.625, 11796, 92.15625, 2949,
         102.4},
        {"process.size", "1728m", "1", 1728, 1555.2, 64, 713.6375, 622.0625, 19906, 155.5, 4976,
         172.8},
        {"process.size", "4096m", "1", 4096, 3686.4, 64, 1779.24375, 1474.53125, 47185, 368.625,
         11796, 409.6},
        {"process.size", "16384m", "1", 16384, 15360, 64, 7616, 6144, 196608, 1536, 49152, 1024},
        {"process.size", "1728m", "4", 1728, 1555.2, 64, 713.7, 622, 19904, 155.5, 4976, 172.8},
        {"process.size", "1728m", "16", 1728, 1555.2, 64, 713.7, 622, 19904, 155.5, 4976, 172.8},
        {"flink.size", "1280m", "1", 1280 / .9, 1280, 64, 576, 512, 16384, 128, 4096, 128 / .9},
    }));
    CAPTURE(g.key, g.value, g.slots);
    const MemoryBudget budget = budget_of(with_slots(memory({{g.key, g.value}}), g.slots));
    const double byte = 1.0 / kMib;  // Fractions are rounded down to bytes.
    CHECK(mib(budget.process) == Approx(g.process).margin(byte).epsilon(0));
    CHECK(mib(budget.total) == Approx(g.total).margin(byte).epsilon(0));
    CHECK(mib(budget.framework) == g.framework);
    CHECK(mib(budget.task) == Approx(g.task).margin(byte).epsilon(0));
    CHECK(mib(budget.managed) == g.managed);
    CHECK(budget.managed_pages() == g.pages);
    CHECK(mib(budget.network) == g.network);
    CHECK(budget.network_buffers() == g.buffers);
    CHECK(mib(budget.overhead) == Approx(g.overhead).margin(byte).epsilon(0));
    CHECK(sum_of(budget) == budget.process.bytes);
}

TEST_CASE("MemoryBudget accepts 278m and refuses 277m with defaults", "[memory][memory_budget]") {
    const auto slots = GENERATE("1", "4", "16");
    CHECK(mib(budget_of(with_slots(memory({{"process.size", "278m"}}), slots)).task) < 1.5);
    CHECK_THAT(refusal_of(with_slots(memory({{"process.size", "277m"}}), slots)),
               Catch::Contains("the regions exceed the total") &&
                   Catch::Contains("framework 64 MiB + task 0 bytes + managed 85.2 MiB + network "
                                   "64 MiB = 213.2 MiB, total 213 MiB"));
}

TEST_CASE("MemoryBudget divides managed memory into equal slots of whole pages",
          "[memory][memory_budget]") {
    const MemoryBudget budget = budget_of(with_slots(memory({{"process.size", "1728m"}}), "16"));
    CHECK(static_cast<double>(budget.slot_bytes()) / kMib == 38.875);
    CHECK(budget.slot_bytes() % budget.segment_bytes == 0);
}

TEST_CASE("MemoryBudget says where each size comes from", "[memory][memory_budget]") {
    const MemoryBudget budget = budget_of(memory({{"process.size", "16g"}}));
    CHECK(budget.process.source == RegionSource::kSet);
    CHECK(budget.framework.source == RegionSource::kDefault);
    CHECK(budget.managed.source == RegionSource::kDerived);
    CHECK(budget.overhead.source == RegionSource::kCapped);
    CHECK_THAT(budget.table(), Catch::Contains("overhead") && Catch::Contains("capped") &&
                                   Catch::Contains("49152 buffers") &&
                                   Catch::Contains("4 slots of 1536 MiB"));
}

TEST_CASE("MemoryBudget sums the total from task and managed size", "[memory][memory_budget]") {
    // 64 + 1024 + 1024 = 2112; network 2112 / 9 = 234.666..; total 2346.666..; overhead 260.740..
    const MemoryBudget budget =
        budget_of(memory({{"task.size", "1024m"}, {"managed.size", "1024m"}}));
    CHECK(mib(budget.managed) == 1024);
    CHECK(budget.network_buffers() == 7509);
    CHECK(mib(budget.total) == Approx(2112 / .9).margin(2 / kMib).epsilon(0));
    CHECK(mib(budget.process) == Approx(2112 / .81).margin(4 / kMib).epsilon(0));
    CHECK(mib(budget.task) >= 1024);
    CHECK(mib(budget.task) < 1024 + 1. / 32);
    CHECK(sum_of(budget) == budget.process.bytes);
}

TEST_CASE("MemoryBudget leaves the network what a set task size leaves",
          "[memory][memory_budget]") {
    // 1280 - 64 - 512 - 504 = 200.
    CHECK(mib(budget_of(memory({{"flink.size", "1280m"}, {"task.size", "504m"}})).network) == 200);
    CHECK_THAT(refusal_of(memory({{"flink.size", "1280m"}, {"task.size", "650m"}})),
               Catch::Contains("leave 54 MiB for taskmanager.memory.network.*"));
    CHECK_THAT(refusal_of(memory(
                   {{"flink.size", "1280m"}, {"task.size", "504m"}, {"network.fraction", "0.1"}})),
               Catch::Contains("millrace.yaml:3: taskmanager.memory.network.fraction") &&
                   Catch::Contains("gives 128 MiB") && Catch::Contains("leave 200 MiB"));
}

TEST_CASE("MemoryBudget takes overhead as the difference when process and total are set",
          "[memory][memory_budget]") {
    CHECK(mib(budget_of(memory({{"process.size", "1480m"}, {"flink.size", "1280m"}})).overhead) ==
          200);
    CHECK_THAT(refusal_of(memory({{"process.size", "1300m"}, {"flink.size", "1280m"}})),
               Catch::Contains("leave 20 MiB for taskmanager.memory.overhead.*"));
    CHECK_THAT(refusal_of(memory({{"process.size", "1200m"}, {"flink.size", "1280m"}})),
               Catch::Contains("below the regions in it: 1.17 GiB below 1.25 GiB"));
}

TEST_CASE("MemoryBudget prefers a size to a fraction and refuses both when they disagree",
          "[memory][memory_budget]") {
    CHECK(mib(budget_of(memory({{"flink.size", "1280m"}, {"managed.size", "600m"}})).managed) ==
          600);
    CHECK(mib(budget_of(memory({{"flink.size", "1280m"},
                                {"managed.size", "512m"},
                                {"managed.fraction", "0.4"}}))
                  .managed) == 512);
    CHECK_THAT(
        refusal_of(memory(
            {{"flink.size", "1280m"}, {"managed.size", "600m"}, {"managed.fraction", "0.4"}})),
        Catch::Contains("taskmanager.memory.managed.fraction") &&
            Catch::Contains("gives 512 MiB, but managed.size is 600 MiB"));
}

TEST_CASE("MemoryBudget warns when a bound changes a fraction that was set",
          "[memory][memory_budget]") {
    const MemoryBudget budget = budget_of(
        memory({{"process.size", "1g"}, {"network.fraction", "0.2"}, {"network.max", "100m"}}));
    CHECK(mib(budget.network) == 100);
    REQUIRE(budget.warnings.size() == 1);
    CHECK_THAT(budget.warnings[0],
               Catch::Contains("184.32 MiB") && Catch::Contains("100 MiB is used"));
}

TEST_CASE("MemoryBudget warns when a managed size is not whole segments in every slot",
          "[memory][memory_budget]") {
    const MemoryBudget budget =
        budget_of(with_slots(memory({{"process.size", "2g"}, {"managed.size", "100000k"}}), "16"));
    CHECK(budget.managed.bytes == 195U * 16 * 32768);
    CHECK(budget.warnings.size() == 1);
}

TEST_CASE("MemoryBudget without a size takes the cgroup limit, then the default",
          "[memory][memory_budget]") {
    const std::uint64_t gib = 1 << 30;
    const auto limited =
        MemoryBudget::derive({}, {.cgroup_limit_bytes = 2 * gib, .process_bytes_default = gib});
    REQUIRE(limited);
    CHECK(limited->process.bytes == 2 * gib);
    const auto by_default =
        MemoryBudget::derive({}, {.cgroup_limit_bytes = {}, .process_bytes_default = gib});
    REQUIRE(by_default);
    CHECK(by_default->process.bytes == gib);
    CHECK(by_default->process.source == RegionSource::kDefault);
    CHECK_THAT(refusal_of({}), Catch::Contains("taskmanager.memory.process.size") &&
                                   Catch::Contains("taskmanager.memory.flink.size") &&
                                   Catch::Contains("taskmanager.memory.task.size"));
}

TEST_CASE("MemoryBudget refuses a process larger than its cgroup", "[memory][memory_budget]") {
    CHECK_THAT(
        refusal_of(memory({{"process.size", "2g"}}),
                   {.cgroup_limit_bytes = std::uint64_t{1} << 30, .process_bytes_default = {}}),
        Catch::Contains("above the memory limit of its cgroup: 2 GiB above 1 GiB"));
}

TEST_CASE("MemoryBudget warns of a process larger than the machine, and goes on",
          "[memory][memory_budget]") {
    const std::uint64_t gib = 1 << 30;
    const MachineMemory machine{.cgroup_limit_bytes = {},
                                .process_bytes_default = gib,
                                .physical_bytes = 23 * gib + gib / 2};
    const auto warnings_of = [&](const Settings& settings) {
        const auto budget = MemoryBudget::derive(settings, machine);
        REQUIRE(budget);
        return budget->warnings;
    };
    CHECK(warnings_of(memory({{"process.size", "1000g"}})) ==
          std::vector<std::string>{
              "millrace.yaml:1: taskmanager.memory.process.size: the process is allowed 1000 GiB, "
              "which is more than this machine's 23.5 GiB; the kernel may end it before it has "
              "used that. Hint: set taskmanager.memory.process.size to what the machine can "
              "spare."});
    // 23.5 GiB and a GiB of overhead.
    const auto by_total = warnings_of(memory({{"flink.size", "24064m"}}));
    REQUIRE(by_total.size() == 1);
    CHECK_THAT(by_total[0], Catch::StartsWith("millrace.yaml:1: taskmanager.memory.flink.size: ") &&
                                Catch::Contains("allowed 24.5 GiB"));
    const auto by_parts = warnings_of(memory({{"managed.size", "20g"}, {"task.size", "20g"}}));
    REQUIRE(by_parts.size() == 1);
    CHECK_THAT(by_parts[0], Catch::StartsWith("millrace.yaml:2: taskmanager.memory.task.size: "));
    CHECK(warnings_of(memory({{"process.size", "24064m"}})).empty());
    CHECK(warnings_of({}).empty());
}

TEST_CASE("JobManagerBudget warns of a process larger than the machine",
          "[memory][memory_budget]") {
    const Settings settings{{"jobmanager.memory.process.size", "2g", "", 0}};
    const auto budget =
        JobManagerBudget::derive(settings, {.cgroup_limit_bytes = {},
                                            .process_bytes_default = {},
                                            .physical_bytes = std::uint64_t{1} << 30});
    REQUIRE(budget);
    REQUIRE(budget->warnings.size() == 1);
    CHECK_THAT(budget->warnings[0],
               Catch::StartsWith("jobmanager.memory.process.size: the process is allowed 2 GiB") &&
                   Catch::Contains("Hint: set jobmanager.memory.process.size"));
}

TEST_CASE("MemoryBudget reports all violations at once, with the table",
          "[memory][memory_budget]") {
    Settings settings = memory({{"process.size", "1g"},
                                {"proces.size", "1g"},
                                {"task.heap.size", "100m"},
                                {"managed.size", "900m"},
                                {"managed.fraction", "0.1"},
                                {"segment-size", "33k"}});
    const std::string text = refusal_of(settings);
    CHECK_THAT(text, Catch::Contains("5 problems"));
    CHECK_THAT(text, Catch::Contains("millrace.yaml:2: taskmanager.memory.proces.size: unknown "
                                     "key. Hint: did you mean taskmanager.memory.process.size?"));
    CHECK_THAT(text, Catch::Contains("millrace.yaml:3: taskmanager.memory.task.heap.size") &&
                         Catch::Contains("use taskmanager.memory.task.size"));
    CHECK_THAT(text, Catch::Contains("not a power of two"));
    CHECK_THAT(text, Catch::Contains("managed.size is 900 MiB"));
    CHECK_THAT(text, Catch::Contains("the regions exceed the total"));
    CHECK_THAT(text, Catch::Contains("overhead") && Catch::Contains("derived"));
}

TEST_CASE("MemoryBudget tells only of unreadable values when there are some",
          "[memory][memory_budget]") {
    const std::string text = refusal_of(memory({{"process.size", "abc"}, {"network.min", "-1"}}));
    CHECK_THAT(text, Catch::Contains("2 problems") &&
                         Catch::Contains("millrace.yaml:1: taskmanager.memory.process.size: not a "
                                         "size: 'abc'") &&
                         !Catch::Contains("is not configured"));
}

TEST_CASE("MemoryBudget refuses a process smaller than its overhead", "[memory][memory_budget]") {
    CHECK_THAT(refusal_of(memory({{"process.size", "10m"}})),
               Catch::Contains("not above the overhead: 10 MiB, overhead 64 MiB"));
}

TEST_CASE("MemoryBudget refuses a lower bound above the upper one", "[memory][memory_budget]") {
    CHECK_THAT(refusal_of(memory(
                   {{"process.size", "1g"}, {"network.min", "200m"}, {"network.max", "100m"}})),
               Catch::Contains("taskmanager.memory.network.min is above "
                               "taskmanager.memory.network.max: 200 MiB above 100 MiB"));
}

TEST_CASE("MemoryBudget reads buffer and page settings", "[memory][memory_budget]") {
    Settings settings = memory({{"process.size", "1g"},
                                {"huge-pages", "off"},
                                {"prefault", "true"},
                                {"segment-size", "64kb"}});
    settings.push_back({"taskmanager.network.memory.buffers-per-channel", "3", "", 0});
    const MemoryBudget budget = budget_of(settings);
    CHECK(budget.buffers.buffers_per_channel == 3);
    CHECK(budget.buffers.floating_buffers_per_gate == 8);
    CHECK(budget.huge_pages == MappedRegion::HugePages::kOff);
    CHECK(budget.prefault == MappedRegion::Prefault::kYes);
    CHECK(budget.segment_bytes == 65536);
}

TEST_CASE("MemoryBudget refuses an idle process larger than framework and overhead",
          "[memory][memory_budget]") {
    const MemoryBudget budget = budget_of(memory({{"process.size", "512m"}}));
    CHECK(budget.check_idle_resident(200 << 20, 100 << 20));
    CHECK_FALSE(budget.check_idle_resident(200 << 20, 10 << 20));
}

TEST_CASE("JobManagerBudget has working memory and overhead", "[memory][memory_budget]") {
    const auto derive = [](const std::string& key, std::string value) {
        const Settings settings{{"jobmanager.memory." + key, std::move(value), "", 0}};
        return JobManagerBudget::derive(settings, {});
    };
    const auto by_process = derive("process.size", "1600m");
    REQUIRE(by_process);
    CHECK(mib(by_process->overhead) == 160);
    CHECK(mib(by_process->working) == 1440);
    const auto by_total = derive("flink.size", "900m");
    REQUIRE(by_total);
    CHECK(mib(by_total->process) == 1000);
    CHECK_THAT(derive("heap.size", "1g").error().message,
               Catch::Contains("use jobmanager.memory.flink.size"));
}

}  // namespace millrace::memory
