#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "runtime/config/suggestion.h"
#include "runtime/config/yaml_tree.h"
#include "runtime/jobfile/phases.h"

namespace millrace::jobfile {
namespace {

using config::path_of;

std::string source_path(const std::string& name) { return "sources." + name; }
std::string step_path(const std::string& name) { return "steps." + name; }
std::string sink_path(const std::string& name) { return "sinks." + name; }

class ReferenceCheck {
  public:
    ReferenceCheck(const JobNames& names, Complaints& complaints)
        : names_(names), job_(names.job()), complaints_(complaints), damage_(complaints.damage()) {}

    void run() {
        check_node_names();
        for (const proto::Source& source : job_.sources()) {
            check_source(source);
        }
        for (const proto::Features& features : job_.features()) {
            check_crosses(features);
        }
        for (const proto::Model& model : job_.models()) {
            if (names_.features(model.features()) == nullptr) {
                missing("E042", "models." + model.name() + ".features",
                        {"features", "set of features"}, model.features(),
                        names_of(job_.features()));
            }
        }
        for (const proto::Step& step : job_.steps()) {
            check_step(step);
        }
        for (const proto::Sink& sink : job_.sinks()) {
            check_sink(sink);
        }
        check_bad_records();
        check_cycles();
        if (knows_all_readers()) {
            check_readers();
        }
        if (!found_ && damage_.none()) {
            warn_of_unused();
        }
    }

  private:
    void fault(std::string_view code, const std::string& path, std::string message,
               std::string fix) {
        found_ = true;
        complaints_.value(code, path, std::move(message), std::move(fix));
    }

    // What is declared in a section of the file.
    struct Declared {
        std::string section;    // "models"
        std::string_view kind;  // "model"
    };

    // Says so unless it is the declaration that could not be read, or the name.
    void missing(std::string_view code, const std::string& path, const Declared& declared,
                 std::string_view name, const std::vector<std::string_view>& known) {
        found_ = true;
        const bool is_unread = name.empty() && damage_.has_lost(path);
        if (is_unread || damage_.may_hide(declared.section, name)) {
            return;
        }
        fault(code, path, fmt::format("there is no {} named \"{}\"", declared.kind, name),
              known.empty() ? fmt::format("declare it, or remove `{}`", path)
                            : config::suggestion(name, known));
    }

    // Of something that `from` names, which may be a source or a step.
    void missing_node(const std::string& path, std::string_view name,
                      const std::vector<std::string_view>& known) {
        has_lost_reader_ = true;
        if (const proto::Sink* sink = names_.sink(name)) {
            complaints_.value(
                "E049", path,
                fmt::format("`{}` is a sink: it writes, and nothing can read it", name),
                sink->from().empty() || sink->from() == name
                    ? "read a source or a step"
                    : fmt::format("read what the sink reads: from: {}", sink->from()));
        } else if (!damage_.may_hide("sources", name)) {
            missing("E040", path, {"steps", "source or step"}, name, known);
        }
        found_ = true;
    }

    void check_node_names() {
        for (const std::string_view name : nodes_) {
            const bool is_source = names_.source(name) != nullptr;
            const bool is_step = names_.step(name) != nullptr;
            const std::string path =
                is_step ? step_path(std::string(name)) : source_path(std::string(name));
            if (name == kErrorsStream) {
                found_ = true;
                complaints_.key("E054", path, "`errors` is the built-in stream of bad records",
                                "choose another name");
            } else if (is_source && is_step) {
                found_ = true;
                complaints_.key("E054", path,
                                fmt::format("a source and a step are both named \"{}\"", name),
                                "rename one; `from:` may name either");
            }
        }
    }

    void check_source(const proto::Source& source) {
        const std::string path = source_path(source.name());
        if (source.has_schema() && names_.schema(source.schema()) == nullptr) {
            missing("E043", path_of(path, "schema"), {"schemas", "schema"}, source.schema(),
                    names_of(job_.schemas()));
        }
        const bool columns =
            source.format() == proto::FORMAT_CSV || source.format() == proto::FORMAT_TSV;
        const bool is_named = source.has_schema() || source.header() || source.has_generate();
        if (columns && !is_named && !damage_.is_in(path)) {
            found_ = true;
            complaints_.key(
                "E057", path,
                fmt::format("`{}` needs a schema, or a header line, to name its fields", path),
                "add schema: NAME, or header: true");
        }
        if (source.has_kafka()) {
            check_cluster(path, source.kafka().has_cluster(), source.kafka().cluster());
        }
    }

    void check_crosses(const proto::Features& features) {
        const auto columns = names_of(features.columns());
        const std::string section = "features." + features.name();
        const std::string path = path_of(section, "crosses");
        for (int i = 0; i < features.crosses_size(); ++i) {
            const auto& parts = features.crosses(i).columns();
            const std::string cross_path = path_of(path, static_cast<std::size_t>(i));
            for (int j = 0; j < parts.size(); ++j) {
                if (std::ranges::find(columns, parts[j]) == columns.end()) {
                    missing("E051", path_of(cross_path, static_cast<std::size_t>(j)),
                            {path_of(section, "columns"), "column"}, parts[j], columns);
                }
            }
        }
    }

    void check_cluster(const std::string& path, bool named, const std::string& cluster) {
        const auto known = names_of(job_.kafka().clusters());
        if (known.empty()) {
            return;  // The server's; checked when it is known.
        }
        if (!named && known.size() > 1 && !damage_.is_in(path)) {
            found_ = true;
            complaints_.key("E046", path, fmt::format("`{}` must say which cluster it means", path),
                            fmt::format("add cluster: one of {}", config::listed(known)));
        } else if (named && std::ranges::find(known, cluster) == known.end()) {
            missing("E045", path_of(path, "cluster"), {"kafka.clusters", "cluster"}, cluster,
                    known);
        }
    }

    void check_step(const proto::Step& step) {
        const std::string path = step_path(step.name());
        std::set<std::string_view> seen;
        for (int i = 0; i < step.from_size(); ++i) {
            const std::string& from = step.from(i);
            const std::string from_path = item_path(path_of(path, "from"), i);
            if (!seen.insert(from).second) {
                fault("E059", from_path, fmt::format("\"{}\" is listed twice", from),
                      "remove one of them");
            } else {
                check_step_input(from, from_path);
            }
        }
        check_models(step, path);
    }

    // A value that was written without a list has the list's own path.
    std::string item_path(const std::string& list, int index) const {
        std::string item = path_of(list, static_cast<std::size_t>(index));
        return complaints_.places().is_written(item) ? item : list;
    }

    void check_step_input(const std::string& from, const std::string& path) {
        if (names_.source(from) != nullptr) {
            return;
        }
        const proto::Step* step = names_.step(from);
        if (from == kErrorsStream || from.ends_with(kAuditSuffix)) {
            fault("E049", path, fmt::format("a step cannot read `{}`; only a sink can", from),
                  "read a source or a step, and add a sink for it");
        } else if (step == nullptr) {
            missing_node(path, from, nodes_);
        } else if (step->has_train() || step->has_evaluate()) {
            fault("E049", path, unreadable(*step, true),
                  fmt::format("read what `{}` reads", step->name()));
        }
    }

    static std::string unreadable(const proto::Step& step, bool by_step) {
        if (step.has_train()) {
            return fmt::format("`{}` learns and has no output", step.name());
        }
        return by_step ? fmt::format("a step cannot read `{}`; only a sink can", step.name())
                       : fmt::format("`{}` has no `audit`", step.name());
    }

    void check_models(const proto::Step& step, const std::string& path) {
        std::set<std::string_view> seen;
        const std::vector<std::string> models = models_of(step);
        for (std::size_t i = 0; i < models.size(); ++i) {
            const std::string model_path = item_path(path_of(path, "models"), static_cast<int>(i));
            if (names_.model(models[i]) == nullptr) {
                missing("E041", model_path, {"models", "model"}, models[i],
                        names_of(job_.models()));
            } else if (!seen.insert(models[i]).second) {
                fault("E059", model_path, fmt::format("\"{}\" is listed twice", models[i]),
                      "remove one of them");
            } else if (step.has_train() && !trained_.emplace(models[i], step.name()).second) {
                fault("E058", model_path,
                      fmt::format("model \"{}\" is already trained by `{}`", models[i],
                                  trained_.at(models[i])),
                      "train it in one step, which may read several: from: [a, b]");
            }
        }
    }

    void check_sink(const proto::Sink& sink) {
        const std::string path = sink_path(sink.name());
        if (sink.has_kafka()) {
            check_cluster(path, sink.kafka().has_cluster(), sink.kafka().cluster());
        }
        const std::string& from = sink.from();
        const std::string from_path = path_of(path, "from");
        if (from == kErrorsStream || names_.source(from) != nullptr) {
            return;
        }
        const bool audit = from.ends_with(kAuditSuffix);
        const std::string name = audit ? from.substr(0, from.size() - kAuditSuffix.size()) : from;
        const proto::Step* step = names_.step(name);
        if (step == nullptr) {
            std::vector<std::string_view> known = nodes_;
            known.push_back(kErrorsStream);
            missing_node(from_path, from, known);
        } else if (step->has_train()) {
            fault("E049", from_path, unreadable(*step, false),
                  "read the step before it, or an `evaluate`");
        } else if (audit && !(step->has_evaluate() && step->evaluate().has_audit()) &&
                   !damage_.is_in(step_path(name))) {
            fault("E049", from_path, unreadable(*step, false),
                  fmt::format("add audit: FIELD to steps.{}, if it is an `evaluate`", name));
        }
    }

    void check_bad_records() {
        const proto::BadRecords& bad = job_.runtime().on_bad_record();
        const std::string path = "runtime.on_bad_record.send_to";
        std::vector<std::string_view> takers;
        for (const proto::Sink& sink : job_.sinks()) {
            if (sink.from() == kErrorsStream) {
                takers.push_back(sink.name());
            }
        }
        const proto::Sink* named = bad.has_send_to() ? names_.sink(bad.send_to()) : nullptr;
        if (bad.has_send_to() && named == nullptr) {
            missing("E044", path, {"sinks", "sink"}, bad.send_to(), names_of(job_.sinks()));
        } else if (named != nullptr && named->from() != kErrorsStream) {
            fault("E056", path,
                  fmt::format("sink \"{}\" reads `{}`, not `errors`", named->name(), named->from()),
                  fmt::format("write from: errors in sinks.{}", named->name()));
        } else if (!bad.has_send_to() && takers.size() > 1 && !damage_.has_lost(path)) {
            found_ = true;
            complaints_.value("E061", path_of(sink_path(std::string(takers[1])), "from"),
                              "several sinks read `errors`",
                              "say which one gets bad records: on_bad_record: { send_to: NAME }");
        }
    }

    void check_cycles() {
        const auto order = names_.steps_in_order();
        for (const proto::Step& step : job_.steps()) {
            const bool placed = std::ranges::any_of(
                order, [&](const proto::Step* entry) { return entry == &step; });
            if (!placed && reads_itself(step)) {
                fault("E047", path_of(step_path(step.name()), "from"),
                      fmt::format("`{}` reads its own output, directly or through others",
                                  step.name()),
                      "let one of them read a source");
                return;  // The others of the cycle would say the same.
            }
        }
    }

    bool reads_itself(const proto::Step& step) const {
        std::set<std::string_view> reached;
        std::vector<std::string_view> open(step.from().begin(), step.from().end());
        while (!open.empty()) {
            const std::string_view name = open.back();
            open.pop_back();
            const proto::Step* next = names_.step(name);
            if (next != nullptr && reached.insert(name).second) {
                open.insert(open.end(), next->from().begin(), next->from().end());
            }
        }
        return reached.contains(step.name());
    }

    // Whether every `from` could be read and names something.
    bool knows_all_readers() const {
        const auto reads = [&](const auto& node, const std::string& path) {
            return node.from().size() > 0 && !damage_.is_in(path_of(path, "from"));
        };
        return !has_lost_reader_ && !damage_.may_hide_all("steps") &&
               !damage_.may_hide_all("sinks") &&
               std::ranges::all_of(
                   job_.steps(),
                   [&](const proto::Step& step) { return reads(step, step_path(step.name())); }) &&
               std::ranges::all_of(job_.sinks(), [&](const proto::Sink& sink) {
                   return reads(sink, sink_path(sink.name()));
               });
    }

    void check_readers() {
        std::set<std::string_view> read;
        for (const proto::Step& step : job_.steps()) {
            read.insert(step.from().begin(), step.from().end());
        }
        for (const proto::Sink& sink : job_.sinks()) {
            const std::string_view from = sink.from();
            read.insert(from.substr(0, from.find('.')));
        }
        for (const proto::Source& source : job_.sources()) {
            expect_reader(read, source.name(), source_path(source.name()));
        }
        for (const proto::Step& step : job_.steps()) {
            if (!step.has_train() && step.kind_case() != proto::Step::KIND_NOT_SET) {
                expect_reader(read, step.name(), step_path(step.name()));
            }
        }
    }

    void expect_reader(const std::set<std::string_view>& read, const std::string& name,
                       const std::string& path) {
        if (!read.contains(name) && name != kErrorsStream) {
            complaints_.key("E048", path, fmt::format("nothing reads `{}`", name),
                            fmt::format("add a sink or step with from: {}, or remove it", name));
        }
    }

    void warn_of_unused() {
        std::set<std::string> used_models;
        std::set<std::string> used_features;
        std::set<std::string> used_schemas;
        for (const proto::Step& step : job_.steps()) {
            const auto models = models_of(step);
            used_models.insert(models.begin(), models.end());
        }
        for (const proto::Model& model : job_.models()) {
            used_features.insert(model.features());
            if (!used_models.contains(model.name())) {
                unused("W041", "models." + model.name(), "no step uses this model",
                       "name it under models: of a `train` or `predict`, or remove it");
            } else if (!trained_.contains(model.name())) {
                unused(
                    "W044", "models." + model.name(),
                    "no step trains this model: its predictions stay as they begin",
                    fmt::format("add a step: {{ type: train, models: [{}], ... }}", model.name()));
            }
        }
        for (const proto::Features& features : job_.features()) {
            if (!used_features.contains(features.name())) {
                unused("W042", "features." + features.name(), "no model uses these features",
                       "name them under features: of a model, or remove them");
            }
        }
        for (const proto::Source& source : job_.sources()) {
            used_schemas.insert(source.schema());
        }
        for (const proto::Schema& schema : job_.schemas()) {
            if (!used_schemas.contains(schema.name())) {
                unused("W045", "schemas." + schema.name(), "no source uses this schema",
                       "name it under schema: of a source, or remove it");
            }
        }
    }

    void unused(std::string_view code, const std::string& path, std::string message,
                std::string fix) {
        complaints_.warn(code, path, std::move(message), std::move(fix));
    }

    const JobNames& names_;
    const std::vector<std::string_view> nodes_ = names_.nodes();
    const proto::Job& job_;
    Complaints& complaints_;
    const Damage& damage_;
    std::map<std::string, std::string> trained_;  // Model, and the step that trains it.
    bool found_ = false;
    bool has_lost_reader_ = false;  // A `from` that names nothing.
};

}  // namespace

void check_references(const JobNames& names, Complaints& complaints) {
    ReferenceCheck(names, complaints).run();
}

}  // namespace millrace::jobfile
