#include "runtime/jobmanager/taskmanager_registry.h"

#include <algorithm>

#include "runtime/base/check.h"

namespace millrace::jobmanager {

std::uint32_t TaskManagerEntry::free_slots() const {
    return static_cast<std::uint32_t>(std::count(slots.begin(), slots.end(), std::nullopt));
}

CapacityClaim TaskManagerEntry::claimed() const {
    CapacityClaim sum;
    for (const auto& [job, claim] : claims) sum += claim;
    return sum;
}

Status TaskManagerRegistry::add(const proto::RegisterTaskManager& description,
                                net::ControlHandle connection, std::int64_t wall_ms) {
    if (entries_.size() >= kTaskManagersMax) {
        return fail(Code::kResourceExhausted, "a JobManager takes at most {} TaskManagers",
                    kTaskManagersMax);
    }
    if (description.slots() < 1 || description.slots() > 4096) {
        return fail(Code::kInvalidArgument, "a TaskManager has 1 to 4096 slots, this one {}",
                    description.slots());
    }
    if (entries_.contains(description.taskmanager_id())) {
        return fail(Code::kAlreadyExists, "a TaskManager with this id is registered: {}",
                    description.taskmanager_id());
    }
    TaskManagerEntry& entry = entries_[description.taskmanager_id()];
    entry.description = description;
    entry.connection = std::move(connection);
    entry.heard_wall_ms = wall_ms;
    entry.slots.resize(static_cast<std::size_t>(description.slots()));
    return {};
}

void TaskManagerRegistry::remove(const std::string& id) { entries_.erase(id); }

TaskManagerEntry* TaskManagerRegistry::find(const std::string& id) {
    const auto found = entries_.find(id);
    return found == entries_.end() ? nullptr : &found->second;
}

TaskManagerEntry* TaskManagerRegistry::find(const net::ControlConnection* connection) {
    for (auto& [id, entry] : entries_) {
        if (entry.connection.get() == connection) return &entry;
    }
    return nullptr;
}

std::vector<std::string> TaskManagerRegistry::check(std::uint32_t checks_max) {
    std::vector<std::string> found;
    for (auto& [id, entry] : entries_) {
        if (++entry.checks_silent >= checks_max) found.push_back(id);
    }
    return found;
}

std::vector<graph::SlotOffer> TaskManagerRegistry::offers() const {
    std::vector<graph::SlotOffer> offers;
    for (const auto& [id, entry] : entries_) {
        graph::SlotOffer offer{.taskmanager = id,
                               .free_slots = {},
                               .slots = static_cast<std::uint32_t>(entry.slots.size())};
        for (std::uint32_t slot = 0; slot < entry.slots.size(); ++slot) {
            if (!entry.slots[slot]) offer.free_slots.push_back(slot);
        }
        offers.push_back(std::move(offer));
    }
    return offers;
}

void TaskManagerRegistry::take(const std::string& id, std::uint32_t slot, JobId job) {
    std::optional<JobId>& holder = entries_.at(id).slots.at(slot);
    MILLRACE_CHECK(!holder || *holder == job);
    holder = job;
}

void TaskManagerRegistry::claim(const std::string& id, JobId job, CapacityClaim claim) {
    entries_.at(id).claims[job] = claim;
}

void TaskManagerRegistry::release(JobId job) {
    for (auto& [id, entry] : entries_) {
        entry.claims.erase(job);
        std::replace(entry.slots.begin(), entry.slots.end(), std::optional<JobId>(job),
                     std::optional<JobId>());
    }
}

std::uint32_t TaskManagerRegistry::slots_total() const {
    std::uint32_t sum = 0;
    for (const auto& [id, entry] : entries_) sum += static_cast<std::uint32_t>(entry.slots.size());
    return sum;
}

std::uint32_t TaskManagerRegistry::slots_free() const {
    std::uint32_t sum = 0;
    for (const auto& [id, entry] : entries_) sum += entry.free_slots();
    return sum;
}

}  // namespace millrace::jobmanager
