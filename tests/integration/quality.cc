#include "tests/integration/quality.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace millrace::integration {
namespace {

double positives(std::span<const AuditRow> rows) {
    return static_cast<double>(
        std::count_if(rows.begin(), rows.end(), [](const AuditRow& row) { return row.label > 0; }));
}

}  // namespace

double log_loss(std::span<const AuditRow> rows) {
    double sum = 0;
    for (const AuditRow& row : rows) sum -= std::log(row.label > 0 ? row.score : 1 - row.score);
    return sum / static_cast<double>(rows.size());
}

double base_rate_log_loss(std::span<const AuditRow> rows) {
    const double rate = positives(rows) / static_cast<double>(rows.size());
    return -(rate * std::log(rate) + (1 - rate) * std::log(1 - rate));
}

double calibration(std::span<const AuditRow> rows) {
    return std::accumulate(rows.begin(), rows.end(), 0.0,
                           [](double sum, const AuditRow& row) { return sum + row.score; }) /
           positives(rows);
}

double auc(std::span<const AuditRow> rows) {
    std::vector<std::pair<double, bool>> ranked;
    for (const AuditRow& row : rows) ranked.emplace_back(row.score, row.label > 0);
    std::sort(ranked.begin(), ranked.end());
    double won = 0;
    double negatives_below = 0;
    for (std::size_t begin = 0; begin < ranked.size();) {
        std::size_t end = begin;
        double tied_positives = 0;
        for (; end < ranked.size() && ranked[end].first == ranked[begin].first; ++end)
            tied_positives += ranked[end].second ? 1 : 0;
        const double tied_negatives = static_cast<double>(end - begin) - tied_positives;
        won += tied_positives * (negatives_below + tied_negatives / 2);
        negatives_below += tied_negatives;
        begin = end;
    }
    return won / (positives(rows) * negatives_below);
}

}  // namespace millrace::integration
