#include "runtime/task/load_balance.h"

#include <algorithm>
#include <optional>

#include "runtime/base/check.h"

namespace millrace::task {

namespace {

// The task of worker `from` whose move to `to` leaves the smaller maximum of the two.
std::optional<std::size_t> best_to_move(std::span<const TaskLoad> loads,
                                        const std::vector<std::size_t>& homes,
                                        const std::vector<double>& busy, std::size_t from,
                                        std::size_t to) {
    std::optional<std::size_t> best;
    double best_peak = busy[from] - kGainMin;
    for (std::size_t i = 0; i < loads.size(); ++i) {
        if (homes[i] != from) continue;
        const double peak = std::max(busy[from] - loads[i].busy, busy[to] + loads[i].busy);
        if (peak > best_peak) continue;
        if (best && peak == best_peak) continue;
        best = i;
        best_peak = peak;
    }
    return best;
}

}  // namespace

std::vector<TaskMove> plan_moves(std::span<const TaskLoad> loads, std::size_t workers) {
    std::vector<double> busy(workers, 0.0);
    std::vector<std::size_t> homes;
    for (const TaskLoad& load : loads) {
        MILLRACE_CHECK_LT(load.worker, workers);
        busy[load.worker] += load.busy;
        homes.push_back(load.worker);
    }
    std::vector<TaskMove> moves;
    while (moves.size() < kMovesMax && workers > 1) {
        const auto from = static_cast<std::size_t>(std::ranges::max_element(busy) - busy.begin());
        const auto to = static_cast<std::size_t>(std::ranges::min_element(busy) - busy.begin());
        const auto task = best_to_move(loads, homes, busy, from, to);
        if (!task) break;
        busy[from] -= loads[*task].busy;
        busy[to] += loads[*task].busy;
        homes[*task] = to;
        moves.push_back({.task = *task, .to = to});
    }
    return moves;
}

}  // namespace millrace::task
