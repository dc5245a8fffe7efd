// Finds the parts of a job by name, and what reads what. Private to this folder.
//
// Threads:    immutable after construction.
// Limits:     recursion as deep as the longest chain of steps, at most 1000 (items of a section).
// Ownership:  borrows the job, which must not change meanwhile.
// Failure:    nullptr for a name that is not there.

#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "proto/job.pb.h"

namespace millrace::jobfile {

// The built-in stream of rejected records.
inline constexpr std::string_view kErrorsStream = "errors";
inline constexpr std::string_view kAuditSuffix = ".audit";

class JobNames {
  public:
    explicit JobNames(const proto::Job& job);

    [[nodiscard]] const proto::Source* source(std::string_view name) const;
    [[nodiscard]] const proto::Step* step(std::string_view name) const;
    [[nodiscard]] const proto::Sink* sink(std::string_view name) const;
    [[nodiscard]] const proto::Schema* schema(std::string_view name) const;
    [[nodiscard]] const proto::Features* features(std::string_view name) const;
    [[nodiscard]] const proto::Model* model(std::string_view name) const;

    // The names of all sources and steps.
    [[nodiscard]] std::vector<std::string_view> nodes() const;
    // The sources and steps whose records come to an end by themselves.
    [[nodiscard]] std::set<std::string_view> bounded_nodes() const;
    // The steps in an order in which each one comes after what it reads; those in a cycle are left
    // out.
    [[nodiscard]] std::vector<const proto::Step*> steps_in_order() const;

    [[nodiscard]] const proto::Job& job() const { return job_; }

  private:
    enum class Visit : unsigned char { kOpen, kPlaced };

    bool place(const proto::Step& entry, std::map<std::string_view, Visit>& visits,
               std::vector<const proto::Step*>& order) const;

    template <class Entry>
    using ByName = std::map<std::string_view, const Entry*>;

    const proto::Job& job_;
    ByName<proto::Source> sources_;
    ByName<proto::Step> steps_;
    ByName<proto::Sink> sinks_;
    ByName<proto::Schema> schemas_;
    ByName<proto::Features> features_;
    ByName<proto::Model> models_;
};

// The models that a step uses; empty for steps without.
[[nodiscard]] std::vector<std::string> models_of(const proto::Step& step);

template <class Entries>
[[nodiscard]] std::vector<std::string_view> names_of(const Entries& entries) {
    std::vector<std::string_view> names;
    for (const auto& entry : entries) {
        names.push_back(entry.name());
    }
    return names;
}

}  // namespace millrace::jobfile
