#include "runtime/taskmanager/memory_metrics.h"

#include <algorithm>
#include <functional>

namespace millrace::taskmanager {
namespace {

double real(std::uint64_t number) { return static_cast<double>(number); }

}  // namespace

MemoryMetrics::MemoryMetrics(metrics::Registry& registry, const std::string& taskmanager,
                             const memory::MemoryBudget& budget,
                             const memory::MemoryManager& managed,
                             const memory::NetworkBufferPool& network,
                             const memory::RegionBudget& task)
    : group_(registry, {{"tm_id", taskmanager}}) {
    add_regions(budget, managed, network, task);
    add_flink_names(managed, network);
}

void MemoryMetrics::add_regions(const memory::MemoryBudget& budget,
                                const memory::MemoryManager& managed,
                                const memory::NetworkBufferPool& network,
                                const memory::RegionBudget& task) {
    const auto size = [&](const char* region, const memory::RegionSize& bytes) {
        group_.gauge("millrace_memory_budget_bytes", "Size of the region.", {{"region", region}})
            .set(real(bytes.bytes));
    };
    size("framework", budget.framework);
    size("task", budget.task);
    size("managed", budget.managed);
    size("network", budget.network);
    size("overhead", budget.overhead);
    const auto used = [&](const char* region, std::function<double()> read) {
        group_.gauge_of("millrace_memory_used_bytes", "Bytes handed out or reserved.",
                        std::move(read), {{"region", region}});
    };
    used("task", [&task] { return real(task.bytes_in_use()); });
    used("managed", [&managed] { return real(managed.bytes_in_pages()); });
    used("network", [&network] { return real(network.in_use() * network.buffer_bytes()); });
    const auto peak = [&](const char* region, std::function<double()> read) {
        group_.gauge_of("millrace_memory_peak_bytes", "Most bytes in use at once.", std::move(read),
                        {{"region", region}});
    };
    peak("task", [&task] { return real(task.use().bytes_peak); });
    peak("managed", [&managed] { return real(managed.report().managed.bytes_pages_peak); });
    peak("network", [&network] { return real(network.use().bytes_peak); });
}

void MemoryMetrics::add_flink_names(const memory::MemoryManager& managed,
                                    const memory::NetworkBufferPool& network) {
    const auto add = [&](const std::string& name, std::function<double()> read) {
        group_.gauge_of("flink_taskmanager_Status_" + name, name + " (scope: taskmanager)",
                        std::move(read));
    };
    add("Flink_Memory_Managed_Used", [&managed] { return real(managed.bytes_in_pages()); });
    add("Flink_Memory_Managed_Total", [&managed] { return real(managed.bytes()); });
    const std::string netty = "Shuffle_Netty_";
    add(netty + "TotalMemorySegments", [&network] { return real(network.buffers()); });
    add(netty + "UsedMemorySegments", [&network] { return real(network.in_use()); });
    add(netty + "AvailableMemorySegments", [&network] { return real(network.available()); });
    // Per cent of the region that floors have promised.
    add(netty + "RequestedMemoryUsage", [&network] {
        return 100 * real(network.required()) / std::max(1.0, real(network.buffers()));
    });
}

}  // namespace millrace::taskmanager
