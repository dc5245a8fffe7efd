#include "runtime/graph/job_graph.h"

#include <algorithm>
#include <map>
#include <set>

#include "proto/job.pb.h"
#include "runtime/base/check.h"
#include "runtime/base/key_groups.h"

namespace millrace::graph {
namespace {

// FNV-1a twice with different bases: enough to make stable, distinct ids from names.
VertexId vertex_id(std::string_view job, std::string_view vertex) {
    std::uint64_t high = 0xcbf29ce484222325ULL;
    std::uint64_t low = 0x84222325cbf29ce4ULL;
    for (const std::string_view part : {job, std::string_view("/"), vertex}) {
        for (const char c : part) {
            high = (high ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
            low = (low ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
        }
    }
    return {high, low};
}

// The models whose table or view an operator touches.
std::vector<std::string> models_of(const proto::Step& step) {
    const auto& names = step.has_predict() ? step.predict().models()
                        : step.has_train() ? step.train().models()
                                           : step.evaluate().models();
    return {names.begin(), names.end()};
}

class Planner {
  public:
    explicit Planner(const proto::Job& job) : job_(job) { graph_.job_name = job.name(); }

    Result<JobGraph> run() {
        add_sources();
        MILLRACE_TRY(add_steps());
        MILLRACE_TRY(add_sinks());
        if (graph_.operators.size() > kOperatorsMax) {
            return fail(Code::kInvalidArgument, "a job has at most {} operators, this one {}",
                        kOperatorsMax, graph_.operators.size());
        }
        fuse();
        keep_splits_in_order();
        add_error_links();
        MILLRACE_TRY(check_key_groups(graph_));
        return std::move(graph_);
    }

  private:
    std::uint32_t add(OperatorNode node) {
        graph_.operators.push_back(std::move(node));
        return static_cast<std::uint32_t>(graph_.operators.size() - 1);
    }

    void link(std::uint32_t from, std::uint32_t to, std::uint32_t side, std::uint32_t input) {
        Link link{.from = from, .to = to, .side = side, .input = input};
        if (graph_.operators[from].parallelism != graph_.operators[to].parallelism) {
            link.partitioning = Partitioning::kRebalance;
        }
        graph_.links.push_back(link);
    }

    void add_sources() {
        for (std::int32_t i = 0; i < job_.sources_size(); ++i) {
            const proto::Source& source = job_.sources(i);
            streams_[source.name()] =
                add({.kind = OperatorKind::kSource,
                     .name = source.name(),
                     .declared = i,
                     .parallelism = static_cast<std::uint32_t>(source.parallelism())});
        }
    }

    // Steps in an order in which every `from` is known before it is read.
    Status add_steps() {
        std::set<std::int32_t> left;
        for (std::int32_t i = 0; i < job_.steps_size(); ++i) left.insert(i);
        while (!left.empty()) {
            const auto ready = std::find_if(left.begin(), left.end(), [&](std::int32_t i) {
                const auto& from = job_.steps(i).from();
                return std::all_of(from.begin(), from.end(), [&](const std::string& name) {
                    return streams_.contains(name);
                });
            });
            if (ready == left.end()) {
                return fail(Code::kInvalidArgument,
                            "steps read each other in a circle, or read an unknown stream: {}",
                            job_.steps(*left.begin()).name());
            }
            add_step(*ready);
            left.erase(ready);
        }
        return {};
    }

    void add_step(std::int32_t index) {
        const proto::Step& step = job_.steps(index);
        std::vector<std::uint32_t> inputs;
        for (const std::string& from : step.from()) {
            const bool learns = step.has_predict() || step.has_train();
            inputs.push_back(learns ? features_behind(from) : streams_.at(from));
        }
        const std::uint32_t self =
            add({.name = step.name(),
                 .declared = index,
                 .parallelism = static_cast<std::uint32_t>(step.parallelism())});
        streams_[step.name()] = self;
        // Progressive evaluation is fed by the model's writer, in the order of learning, not by a
        // channel.
        if (step.has_evaluate()) return;
        for (std::uint32_t input = 0; input < inputs.size(); ++input)
            link(inputs[input], self, 0, input);
    }

    // The feature compiler behind stream `name`, made when the first reader needs it.
    std::uint32_t features_behind(const std::string& name) {
        if (const auto found = features_.find(name); found != features_.end()) return found->second;
        const std::uint32_t from = streams_.at(name);
        const std::uint32_t self = add({.kind = OperatorKind::kFeatures,
                                        .name = name + ".features",
                                        .declared = -1,
                                        .parallelism = graph_.operators[from].parallelism,
                                        .feature_sets = feature_sets_read_from(name)});
        features_[name] = self;
        link(from, self, 0, 0);
        return self;
    }

    std::vector<std::string> feature_sets_read_from(const std::string& stream) const {
        std::set<std::string> sets;
        for (const proto::Step& step : job_.steps()) {
            const bool reads =
                std::find(step.from().begin(), step.from().end(), stream) != step.from().end();
            if (!reads || !(step.has_predict() || step.has_train())) continue;
            for (const std::string& name : models_of(step)) {
                for (const proto::Model& model : job_.models()) {
                    if (model.name() == name) sets.insert(model.features());
                }
            }
        }
        return {sets.begin(), sets.end()};
    }

    Status add_sinks() {
        for (std::int32_t i = 0; i < job_.sinks_size(); ++i) {
            const proto::Sink& sink = job_.sinks(i);
            if (sink.from() == "errors") {
                error_sinks_.push_back(
                    add({.kind = OperatorKind::kSink, .name = sink.name(), .declared = i}));
                continue;
            }
            const bool audit = sink.from().ends_with(".audit");
            const std::string stream = sink.from().substr(0, sink.from().find('.'));
            const auto from = streams_.find(stream);
            if (from == streams_.end()) {
                return fail(Code::kInvalidArgument, "sink {} reads an unknown stream: {}",
                            sink.name(), sink.from());
            }
            const std::uint32_t self =
                add({.kind = OperatorKind::kSink,
                     .name = sink.name(),
                     .declared = i,
                     .parallelism = graph_.operators[from->second].parallelism});
            link(from->second, self, audit ? 1 : 0, 0);
        }
        return {};
    }

    // Chains every operator to its producer when that is its only one and runs as often as it.
    void fuse() {
        for (std::uint32_t i = 0; i < graph_.operators.size(); ++i) {
            std::vector<Link*> inputs;
            for (Link& link : graph_.links) {
                if (link.to == i) inputs.push_back(&link);
            }
            OperatorNode& node = graph_.operators[i];
            if (inputs.size() == 1 && inputs[0]->partitioning == Partitioning::kForward) {
                inputs[0]->chained = true;
                node.vertex = graph_.operators[inputs[0]->from].vertex;
            } else {
                node.vertex = static_cast<std::uint32_t>(graph_.vertices.size());
                graph_.vertices.emplace_back();
                for (Link* link : inputs) link->partitioning = Partitioning::kRebalance;
            }
            place_in_vertex(i);
        }
    }

    void place_in_vertex(std::uint32_t index) {
        const OperatorNode& node = graph_.operators[index];
        Vertex& vertex = graph_.vertices[node.vertex];
        vertex.operators.push_back(index);
        vertex.parallelism = node.parallelism;
        vertex.name += (vertex.name.empty() ? "" : " -> ") + node.name;
        vertex.id = vertex_id(graph_.job_name, vertex.name);
        if (node.kind != OperatorKind::kStep) return;
        const proto::Step& step = job_.steps(node.declared);
        if (!step.has_predict() && !step.has_train() && !step.has_evaluate()) return;
        for (std::string& model : models_of(step)) {
            if (std::find(vertex.models.begin(), vertex.models.end(), model) ==
                vertex.models.end()) {
                vertex.models.push_back(std::move(model));
            }
        }
    }

    // No link on the way to a step that trains in canonical order may deal batches out.
    void keep_splits_in_order() {
        std::vector<bool> leads(graph_.operators.size());
        for (std::uint32_t i = 0; i < graph_.operators.size(); ++i) {
            OperatorNode& node = graph_.operators[i];
            if (node.kind != OperatorKind::kStep) continue;
            const proto::Step& step = job_.steps(node.declared);
            node.is_trainer = step.has_train();
            node.is_ordered = step.has_train() && step.train().order() == proto::ORDER_CANONICAL;
            leads[i] = node.is_ordered;
        }
        // Links stand in the order of those who read them: the last readers come first here.
        for (std::size_t i = graph_.links.size(); i-- > 0;) {
            Link& link = graph_.links[i];
            if (!leads[link.to]) continue;
            leads[link.from] = true;
            if (!link.chained) link.partitioning = Partitioning::kSplit;
        }
    }

    // Every vertex can reject records; each error sink reads them all.
    void add_error_links() {
        for (const std::uint32_t sink : error_sinks_) {
            std::uint32_t input = 0;
            for (const Vertex& vertex : graph_.vertices) {
                const std::uint32_t root = vertex.operators.front();
                if (graph_.operators[root].vertex == graph_.operators[sink].vertex) continue;
                const bool is_error_sink =
                    std::find(error_sinks_.begin(), error_sinks_.end(), root) != error_sinks_.end();
                if (is_error_sink) continue;
                graph_.links.push_back({.from = root,
                                        .to = sink,
                                        .input = input++,
                                        .errors = true,
                                        .partitioning = Partitioning::kRebalance});
            }
        }
    }

    const proto::Job& job_;
    JobGraph graph_;
    std::map<std::string, std::uint32_t> streams_;   // Stream name to the operator that makes it.
    std::map<std::string, std::uint32_t> features_;  // Stream name to its feature compiler.
    std::vector<std::uint32_t> error_sinks_;
};

std::vector<LinkIndex> channels(const JobGraph& graph, std::uint32_t vertex, bool inputs) {
    std::vector<LinkIndex> found;
    for (LinkIndex i = 0; i < graph.links.size(); ++i) {
        const Link& link = graph.links[i];
        const std::uint32_t end = inputs ? link.to : link.from;
        if (!link.chained && graph.operators[end].vertex == vertex) found.push_back(i);
    }
    return found;
}

}  // namespace

std::uint32_t JobGraph::slots_needed() const {
    std::uint32_t most = 0;
    for (const Vertex& vertex : vertices) most = std::max(most, vertex.parallelism);
    return most;
}

std::uint32_t JobGraph::slots_together() const {
    std::uint32_t most = 0;
    for (const Vertex& vertex : vertices) {
        if (!vertex.models.empty()) most = std::max(most, vertex.parallelism);
    }
    return most;
}

std::vector<LinkIndex> JobGraph::inputs_of(std::uint32_t vertex) const {
    return channels(*this, vertex, true);
}
std::vector<LinkIndex> JobGraph::outputs_of(std::uint32_t vertex) const {
    return channels(*this, vertex, false);
}

Result<JobGraph> plan(const proto::Job& job) { return Planner(job).run(); }

Status check_key_groups(const JobGraph& graph) {
    for (const Link& link : graph.links) {
        const OperatorNode& reader = graph.operators[link.to];
        if (link.partitioning != Partitioning::kKeyHash || reader.parallelism <= kKeyGroups)
            continue;
        return fail(Code::kInvalidArgument,
                    "step {} gets its rows by their key, and keys have {} groups: {} of its {} "
                    "subtasks would get none. Hint: lower its `parallelism` to {}",
                    reader.name, kKeyGroups, reader.parallelism - kKeyGroups, reader.parallelism,
                    kKeyGroups);
    }
    return {};
}

}  // namespace millrace::graph
