// A TaskManager's memory as metrics: regions under our names, managed and network memory under
// Flink's, too.
//
// Threads:    made and destroyed on the control loop; read by any.
// Ownership:  borrows budget and regions, which must outlive it.
// Limits:     a fixed number of series.
// Failure:    none.

#pragma once

#include <string>

#include "memory/budget.h"
#include "memory/memory_budget.h"
#include "memory/memory_manager.h"
#include "memory/network_buffer_pool.h"
#include "runtime/base/metrics.h"

namespace millrace::taskmanager {

class MemoryMetrics {
  public:
    MemoryMetrics(metrics::Registry& registry, const std::string& taskmanager,
                  const memory::MemoryBudget& budget, const memory::MemoryManager& managed,
                  const memory::NetworkBufferPool& network, const memory::RegionBudget& task);
    MemoryMetrics(const MemoryMetrics&) = delete;
    MemoryMetrics& operator=(const MemoryMetrics&) = delete;

  private:
    void add_regions(const memory::MemoryBudget& budget, const memory::MemoryManager& managed,
                     const memory::NetworkBufferPool& network, const memory::RegionBudget& task);
    void add_flink_names(const memory::MemoryManager& managed,
                         const memory::NetworkBufferPool& network);

    metrics::MetricGroup group_;
};

}  // namespace millrace::taskmanager
