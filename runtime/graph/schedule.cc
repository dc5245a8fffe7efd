#include "runtime/graph/schedule.h"

#include <algorithm>
#include <numeric>
#include <string>
#include <string_view>

#include <fmt/format.h>

namespace millrace::graph {
namespace {

struct SlotRef {
    std::uint32_t taskmanager;
    std::uint32_t slot;
};

std::uint32_t free_in(std::span<const SlotOffer> offers) {
    std::uint32_t sum = 0;
    for (const SlotOffer& offer : offers)
        sum += static_cast<std::uint32_t>(offer.free_slots.size());
    return sum;
}

// "1 slot", "2 slots".
std::string counted(std::size_t count, std::string_view what) {
    return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
}

Error no_taskmanager(const JobGraph& graph) {
    const std::uint32_t needed = graph.slots_needed();
    return {Code::kResourceExhausted,
            fmt::format("job {} needs {}, and no TaskManager is registered. Hint: start one, for "
                        "example `millrace taskmanager -D taskmanager.numberOfTaskSlots={}`",
                        graph.job_name, counted(needed, "slot"), needed)};
}

// Why no TaskManager can take the tasks that share models. The number to set is the whole job's:
// with it one TaskManager is enough, in place of those that there are as well as beside them.
Error no_home(const JobGraph& graph, std::span<const SlotOffer> offers, std::uint32_t together) {
    const std::uint32_t needed = graph.slots_needed();
    std::size_t free = 0;
    std::uint32_t largest = 0;
    std::uint32_t all = 0;
    for (const SlotOffer& offer : offers) {
        free = std::max(free, offer.free_slots.size());
        largest = std::max(largest, offer.slots);
        all += offer.slots;
    }
    const bool is_only_busy = largest >= together && all >= needed;
    return {
        Code::kResourceExhausted,
        fmt::format(
            "job {} needs {} of one TaskManager, because its tasks share models; of {} the "
            "largest has {}, and the one with most free slots has {}. "
            "Hint: {}start one with taskmanager.numberOfTaskSlots={} or more (more of the same "
            "size do not help), or lower the parallelism of the job's predict and train steps",
            graph.job_name,
            together == needed ? counted(needed, "slot")
                               : fmt::format("{}, {} of them", counted(needed, "slot"), together),
            counted(offers.size(), "TaskManager"), counted(largest, "slot"), free,
            is_only_busy ? "wait until another job ends, " : "", needed)};
}

// The TaskManager with the fewest free slots that are still enough; best fit keeps the large ones
// free.
Result<std::uint32_t> home_of_models(const JobGraph& graph, std::span<const SlotOffer> offers,
                                     std::uint32_t together) {
    std::uint32_t best = static_cast<std::uint32_t>(offers.size());
    for (std::uint32_t i = 0; i < offers.size(); ++i) {
        const std::size_t free = offers[i].free_slots.size();
        if (free >= together && (best == offers.size() || free < offers[best].free_slots.size()))
            best = i;
    }
    if (best < offers.size()) return best;
    return std::unexpected(no_home(graph, offers, together));
}

// Whoever shares no model may stand anywhere: more TaskManagers help as well as larger ones.
Status check_total(const JobGraph& graph, std::span<const SlotOffer> offers) {
    const std::uint32_t needed = graph.slots_needed();
    const std::uint32_t free = free_in(offers);
    if (free >= needed) return {};
    std::uint32_t all = 0;
    for (const SlotOffer& offer : offers) all += offer.slots;
    return fail(Code::kResourceExhausted,
                "job {} needs {}, {} of {} are free on {}. Hint: start more "
                "TaskManagers, raise taskmanager.numberOfTaskSlots, or lower the job's parallelism",
                graph.job_name, counted(needed, "slot"), free, all,
                counted(offers.size(), "TaskManager"));
}

// Takes `count` slots, in turn from the TaskManager that has given the fewest so far.
std::vector<SlotRef> spread(std::span<const SlotOffer> offers, std::uint32_t count) {
    std::vector<SlotRef> taken;
    std::vector<std::size_t> given(offers.size(), 0);
    while (taken.size() < count) {
        std::size_t next = offers.size();
        for (std::size_t i = 0; i < offers.size(); ++i) {
            if (given[i] < offers[i].free_slots.size() &&
                (next == offers.size() || given[i] < given[next]))
                next = i;
        }
        taken.push_back({static_cast<std::uint32_t>(next), offers[next].free_slots[given[next]]});
        ++given[next];
    }
    return taken;
}

std::vector<SlotRef> slots_of(std::span<const SlotOffer> offers, std::uint32_t taskmanager,
                              std::uint32_t count) {
    std::vector<SlotRef> taken;
    taken.reserve(count);
    for (std::uint32_t i = 0; i < count; ++i)
        taken.push_back({taskmanager, offers[taskmanager].free_slots[i]});
    return taken;
}

void place(const Vertex& vertex, std::uint32_t index, std::span<const SlotRef> slots,
           std::vector<Placement>& out) {
    for (std::uint32_t i = 0; i < vertex.parallelism; ++i) {
        const SlotRef& slot = slots[std::size_t{i} * slots.size() / vertex.parallelism];
        out.push_back(
            {.vertex = index, .subtask = i, .taskmanager = slot.taskmanager, .slot = slot.slot});
    }
}

}  // namespace

Result<std::vector<Placement>> schedule(const JobGraph& graph, std::span<const SlotOffer> offers) {
    if (offers.empty()) return std::unexpected(no_taskmanager(graph));
    const std::uint32_t together = graph.slots_together();
    std::uint32_t taskmanager = 0;
    // First, since a larger TaskManager is the only cure for it.
    if (together > 0) {
        MILLRACE_TRY_ASSIGN(taskmanager, home_of_models(graph, offers, together));
    }
    MILLRACE_TRY(check_total(graph, offers));
    std::vector<SlotRef> everywhere = spread(offers, graph.slots_needed());
    std::vector<SlotRef> home = everywhere;
    if (together > 0) {
        home = slots_of(offers, taskmanager, together);
        // Everything that fits stands beside the models: a batch by reference is cheaper than one
        // by wire.
        if (offers[taskmanager].free_slots.size() >= graph.slots_needed()) {
            everywhere = slots_of(offers, taskmanager, graph.slots_needed());
        }
    }
    std::vector<Placement> placements;
    for (std::uint32_t v = 0; v < graph.vertices.size(); ++v) {
        const Vertex& vertex = graph.vertices[v];
        place(vertex, v, vertex.models.empty() ? everywhere : home, placements);
    }
    return placements;
}

}  // namespace millrace::graph
