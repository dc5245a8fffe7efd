// The TaskManagers that are registered now: their slots, who holds them, and how long they have
// been silent.
//
// Pure bookkeeping; the JobManager feeds it and acts on what it says.
//
// Threads:    the control thread.
// Ownership:  keeps a handle of each TaskManager's connection.
// Limits:     kTaskManagersMax TaskManagers.
// Failure:    kResourceExhausted and kAlreadyExists when registering.

#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "proto/control.pb.h"
#include "runtime/base/ids.h"
#include "runtime/base/status.h"
#include "runtime/graph/schedule.h"
#include "runtime/jobmanager/capacity_plan.h"
#include "runtime/net/control_channel.h"

namespace millrace::jobmanager {

struct TaskManagerEntry {
    proto::RegisterTaskManager description;
    net::ControlHandle connection;
    std::uint32_t checks_silent = 0;  // Since it was heard.
    std::int64_t heard_wall_ms = 0;
    proto::Heartbeat report;                  // The last one.
    std::vector<std::optional<JobId>> slots;  // Who holds each slot.
    std::map<JobId, CapacityClaim> claims;    // What each job holds beside slots.

    [[nodiscard]] std::uint32_t free_slots() const;
    [[nodiscard]] CapacityClaim claimed() const;
};

class TaskManagerRegistry {
  public:
    static constexpr std::size_t kTaskManagersMax = 1000;

    Status add(const proto::RegisterTaskManager& description, net::ControlHandle connection,
               std::int64_t wall_ms);
    void remove(const std::string& id);

    [[nodiscard]] TaskManagerEntry* find(const std::string& id);
    [[nodiscard]] TaskManagerEntry* find(const net::ControlConnection* connection);
    [[nodiscard]] const std::map<std::string, TaskManagerEntry>& all() const { return entries_; }
    // Names those that were not heard since `checks_max` checks, of which this is one. Checks, not
    // time: a JobManager that was stopped for a while has not listened.
    std::vector<std::string> check(std::uint32_t checks_max);

    [[nodiscard]] std::vector<graph::SlotOffer> offers() const;
    void take(const std::string& id, std::uint32_t slot, JobId job);
    void claim(const std::string& id, JobId job, CapacityClaim claim);
    // Frees every slot that `job` holds, and its claims.
    void release(JobId job);

    [[nodiscard]] std::uint32_t slots_total() const;
    [[nodiscard]] std::uint32_t slots_free() const;

  private:
    std::map<std::string, TaskManagerEntry> entries_;
};

}  // namespace millrace::jobmanager
