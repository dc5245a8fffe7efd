#include "runtime/jobfile/job_names.h"

#include <algorithm>
#include <set>

namespace millrace::jobfile {
namespace {

template <class Map, class Entries>
void fill(Map& map, const Entries& entries) {
    for (const auto& entry : entries) {
        map.emplace(entry.name(), &entry);
    }
}

template <class Map>
auto find(const Map& map, std::string_view name) -> typename Map::mapped_type {
    const auto found = map.find(name);
    return found == map.end() ? nullptr : found->second;
}

}  // namespace

JobNames::JobNames(const proto::Job& job) : job_(job) {
    fill(sources_, job.sources());
    fill(steps_, job.steps());
    fill(sinks_, job.sinks());
    fill(schemas_, job.schemas());
    fill(features_, job.features());
    fill(models_, job.models());
}

const proto::Source* JobNames::source(std::string_view name) const { return find(sources_, name); }
const proto::Step* JobNames::step(std::string_view name) const { return find(steps_, name); }
const proto::Sink* JobNames::sink(std::string_view name) const { return find(sinks_, name); }
const proto::Schema* JobNames::schema(std::string_view name) const { return find(schemas_, name); }
const proto::Features* JobNames::features(std::string_view name) const {
    return find(features_, name);
}
const proto::Model* JobNames::model(std::string_view name) const { return find(models_, name); }

std::vector<std::string_view> JobNames::nodes() const {
    std::vector<std::string_view> names = names_of(job_.sources());
    for (const proto::Step& entry : job_.steps()) {
        names.push_back(entry.name());
    }
    return names;
}

std::set<std::string_view> JobNames::bounded_nodes() const {
    std::set<std::string_view> bounded;
    for (const proto::Source& entry : job_.sources()) {
        if (entry.has_file() || (entry.has_generate() && entry.generate().has_limit_rows())) {
            bounded.insert(entry.name());
        }
    }
    for (const proto::Step* entry : steps_in_order()) {
        if (std::ranges::all_of(entry->from(),
                                [&](const std::string& name) { return bounded.contains(name); })) {
            bounded.insert(entry->name());
        }
    }
    return bounded;
}

std::vector<const proto::Step*> JobNames::steps_in_order() const {
    std::vector<const proto::Step*> order;
    std::map<std::string_view, Visit> visits;
    for (const proto::Step& entry : job_.steps()) {
        (void)place(entry, visits, order);
    }
    return order;
}

// Places a step behind all that it reads. False if one of those is in a cycle.
bool JobNames::place(const proto::Step& entry, std::map<std::string_view, Visit>& visits,
                     std::vector<const proto::Step*>& order) const {
    const auto [visit, is_new] = visits.emplace(entry.name(), Visit::kOpen);
    if (!is_new) {
        return visit->second == Visit::kPlaced;
    }
    for (const std::string& name : entry.from()) {
        const proto::Step* before = step(name);
        if (before != nullptr && !place(*before, visits, order)) {
            return false;  // It stays open: whatever reads it is not placed either.
        }
    }
    visit->second = Visit::kPlaced;
    order.push_back(&entry);
    return true;
}

std::vector<std::string> models_of(const proto::Step& step) {
    const auto list = [](const auto& models) {
        return std::vector<std::string>(models.begin(), models.end());
    };
    switch (step.kind_case()) {
        case proto::Step::kPredict:
            return list(step.predict().models());
        case proto::Step::kTrain:
            return list(step.train().models());
        case proto::Step::kEvaluate:
            return list(step.evaluate().models());
        default:
            return {};
    }
}

}  // namespace millrace::jobfile
