#include "runtime/jobfile/model_memory.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "runtime/jobfile/job_names.h"

namespace millrace::jobfile {
namespace {

constexpr std::int64_t kCellBytes = 16;
constexpr std::int64_t kLineBytes = 64;

}  // namespace

std::vector<ModelMemory> model_memory(const proto::Job& job) {
    const JobNames names(job);
    std::set<std::string> used;
    for (const proto::Step& step : job.steps()) {
        const auto models = models_of(step);
        used.insert(models.begin(), models.end());
    }
    std::vector<ModelMemory> result;
    for (const proto::Model& model : job.models()) {
        const proto::Features* features = names.features(model.features());
        if (!used.contains(model.name()) || features == nullptr) {
            continue;
        }
        const std::int64_t cells = std::int64_t{1} << features->bits();
        const bool has_variance = model.learner().has_adpredictor();
        result.push_back({.model = model.name(),
                          .bits = features->bits(),
                          .table_bytes = cells * kCellBytes,
                          .dirty_bytes = cells * kCellBytes / kLineBytes,
                          .view_bytes = cells * (has_variance ? 8 : 4)});
    }
    return result;
}

std::int64_t model_bytes(const proto::Job& job) {
    std::int64_t sum = 0;
    for (const ModelMemory& model : model_memory(job)) {
        sum += model.total_bytes();
    }
    return sum;
}

std::int32_t slots_needed(const proto::Job& job) {
    std::int32_t most = 1;
    for (const proto::Source& source : job.sources()) {
        most = std::max(most, source.parallelism());
    }
    for (const proto::Step& step : job.steps()) {
        most = std::max(most, step.parallelism());
    }
    return most;
}

double collision_odds(double keys, std::int32_t bits) {
    return 1 - std::exp(-keys / std::exp2(bits));
}

}  // namespace millrace::jobfile
