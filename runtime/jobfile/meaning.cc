#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "runtime/config/units.h"
#include "runtime/config/yaml_tree.h"
#include "runtime/jobfile/phases.h"

namespace millrace::jobfile {
namespace {

using config::path_of;

class MeaningCheck {
  public:
    MeaningCheck(const JobNames& names, Complaints& complaints)
        : names_(names), job_(names.job()), complaints_(complaints), damage_(complaints.damage()) {}

    void run() {
        for (const proto::Source& source : job_.sources()) {
            check_source(source);
        }
        for (const proto::Features& features : job_.features()) {
            check_features(features);
        }
        for (const proto::Model& model : job_.models()) {
            check_model(model);
        }
        for (const proto::Step& step : job_.steps()) {
            check_step(step);
        }
        for (const proto::Sink& sink : job_.sinks()) {
            check_sink(sink);
        }
    }

  private:
    // ------------------------------------------------------------------ sources

    void check_source(const proto::Source& source) {
        const std::string path = "sources." + source.name();
        if (source.parallelism() > 1 && (source.has_file() || source.has_socket())) {
            complaints_.value(
                "E077", path_of(path, "parallelism"),
                fmt::format("a {} is read by one subtask, not {}",
                            source.has_file() ? "file" : "socket", source.parallelism()),
                "remove `parallelism`");
        }
        const bool columns =
            source.format() == proto::FORMAT_CSV || source.format() == proto::FORMAT_TSV;
        if (source.header() && !columns && !damage_.is_in(path_of(path, "format"))) {
            complaints_.value("E078", path_of(path, "header"),
                              "only csv and tsv have a header line", "remove `header`");
        }
        if (source.has_kafka() && source.kafka().start().has_position() &&
            source.kafka().start().has_timestamp_ms()) {
            complaints_.value("E080", path_of(path, "start"),
                              "`start` has both a position and a timestamp", "remove one of them");
        }
    }

    // ------------------------------------------------------------------ features and models

    void check_features(const proto::Features& features) {
        const std::string path = "features." + features.name();
        for (const proto::Column& column : features.columns()) {
            const std::string column_path = path_of(path_of(path, "columns"), column.name());
            if (!damage_.is_in(column_path)) {
                check_column(column, column_path);
            }
        }
        std::set<std::set<std::string>> seen;
        for (int i = 0; i < features.crosses_size(); ++i) {
            const std::string cross =
                path_of(path_of(path, "crosses"), static_cast<std::size_t>(i));
            if (!damage_.is_in(cross)) {
                check_cross(features, i, cross, seen);
            }
        }
    }

    void check_column(const proto::Column& column, const std::string& path) {
        const bool buckets = column.as() == proto::COLUMN_KIND_BUCKETS;
        const bool number = column.as() == proto::COLUMN_KIND_NUMBER;
        const bool squared = column.transform() == proto::TRANSFORM_LOG_SQUARED;
        if (buckets && !squared && column.edges().empty()) {
            complaints_.key("E073", path, "`buckets` need edges",
                            "add edges: [1, 10, 100], or transform: log_squared for counts");
        } else if (!column.edges().empty() && (!buckets || squared)) {
            complaints_.value("E073", path_of(path, "edges"),
                              "`edges` belong to `buckets` without a transform", "remove `edges`");
        }
        if (column.transform() == proto::TRANSFORM_LOG1P && !number) {
            complaints_.value("E073", path_of(path, "transform"), "`log1p` belongs to `number`",
                              "write as: number");
        } else if (squared && !buckets) {
            complaints_.value("E073", path_of(path, "transform"),
                              "`log_squared` belongs to `buckets`", "write as: buckets");
        }
        if (column.scale() == proto::SCALE_STANDARDIZE && !number) {
            complaints_.value("E073", path_of(path, "scale"), "`standardize` belongs to `number`",
                              "write as: number");
        }
        if (column.has_take() && column.as() == proto::COLUMN_KIND_HASHED_LIST) {
            complaints_.value("E073", path_of(path, "take"), "`take` reads a time, not a list",
                              "write as: hashed");
        }
        check_edges(column, path_of(path, "edges"));
    }

    void check_edges(const proto::Column& column, const std::string& path) {
        for (int i = 1; i < column.edges_size(); ++i) {
            if (!(column.edges(i) > column.edges(i - 1))) {
                complaints_.value("E071", path_of(path, static_cast<std::size_t>(i)),
                                  fmt::format("edges must rise, but {} comes after {}",
                                              config::print_number(column.edges(i)),
                                              config::print_number(column.edges(i - 1))),
                                  "sort them, and write each once");
                return;
            }
        }
    }

    void check_cross(const proto::Features& features, int index, const std::string& path,
                     std::set<std::set<std::string>>& seen) {
        std::set<std::string> parts;
        int lists = 0;
        const auto& columns = features.crosses(index).columns();
        for (int i = 0; i < columns.size(); ++i) {
            const std::string item = path_of(path, static_cast<std::size_t>(i));
            const auto column = std::ranges::find(features.columns(), columns[i],
                                                  [](const auto& entry) { return entry.name(); });
            if (!parts.insert(columns[i]).second) {
                complaints_.value("E075", item,
                                  fmt::format("\"{}\" is crossed with itself", columns[i]),
                                  "name each column of a cross once");
            } else if (column == features.columns().end()) {
                continue;  // Reported with the references.
            } else if (column->as() == proto::COLUMN_KIND_NUMBER) {
                complaints_.value(
                    "E075", item,
                    fmt::format("\"{}\" is a number and cannot be crossed", columns[i]),
                    "cross a column with its buckets");
            } else if (column->as() == proto::COLUMN_KIND_HASHED_LIST && ++lists > 1) {
                complaints_.value("E075", item, "a cross may have one list",
                                  "cross each list by itself");
            }
        }
        if (!seen.insert(parts).second) {
            complaints_.value("E075", path, "this cross is declared twice", "remove one of them");
        }
    }

    void check_model(const proto::Model& model) {
        if (damage_.is_in("models." + model.name())) {
            return;
        }
        const std::string path = path_of("models." + model.name(), "learner");
        const proto::Learner& learner = model.learner();
        const bool binary = model.task() == proto::TASK_BINARY;
        if (learner.has_adpredictor() && !binary) {
            complaints_.value("E070", path, "`adpredictor` learns only binary tasks",
                              "write sgd, adagrad or ftrl, or task: binary");
        } else if (learner.has_ftrl()) {
            check_loss(learner.ftrl().loss(), binary, path);
        } else if (learner.has_adagrad()) {
            check_loss(learner.adagrad().loss(), binary, path);
        } else if (learner.has_sgd()) {
            check_loss(learner.sgd().loss(), binary, path);
            if (learner.sgd().rate() * learner.sgd().l2() >= 1) {
                complaints_.value("E081", path_of(path, "l2"),
                                  "rate x l2 must stay below 1, or weights change their sign",
                                  "lower `rate` or `l2`");
            }
        }
    }

    void check_loss(proto::Loss loss, bool binary, const std::string& path) {
        if (loss == proto::LOSS_UNSPECIFIED) {
            return;
        }
        const bool for_binary = loss == proto::LOSS_LOGISTIC;
        if (for_binary != binary) {
            complaints_.value(
                "E070", path_of(path, "loss"),
                fmt::format("this loss is for {} tasks, but the model's is {}",
                            for_binary ? "binary" : "regression", binary ? "binary" : "regression"),
                binary ? "write logistic" : "write squared or half_squared");
        }
    }

    // ------------------------------------------------------------------ steps and sinks

    void check_step(const proto::Step& step) {
        if (!step.has_evaluate()) {
            return;
        }
        const std::string path = "steps." + step.name();
        if (step.parallelism() > 1) {
            complaints_.value("E077", path_of(path, "parallelism"),
                              "rows are counted in the order of learning, by one subtask",
                              "remove `parallelism`");
        }
        const auto& models = step.evaluate().models();
        for (int i = 0; i < models.size(); ++i) {
            check_progressive(step, models[i],
                              path_of(path_of(path, "models"), static_cast<std::size_t>(i)));
            check_measurable(models[i],
                             path_of(path_of(path, "models"), static_cast<std::size_t>(i)));
        }
    }

    // The scores come from the forward pass of the training step.
    void check_progressive(const proto::Step& step, const std::string& model,
                           const std::string& path) {
        const proto::Step* train = nullptr;
        for (const proto::Step& entry : job_.steps()) {
            if (entry.has_train() &&
                std::ranges::find(entry.train().models(), model) != entry.train().models().end()) {
                train = &entry;
            }
        }
        if (names_.model(model) == nullptr || (train == nullptr && damage_.is_in("steps"))) {
            return;
        }
        if (train == nullptr) {
            complaints_.value("E072", path,
                              fmt::format("progressive scores of \"{}\" come from its training, "
                                          "but no step trains it",
                                          model),
                              "add a `train` step with the same `from`");
            return;
        }
        const std::set<std::string> mine(step.from().begin(), step.from().end());
        const std::set<std::string> theirs(train->from().begin(), train->from().end());
        if (mine != theirs && are_declared(mine) && are_declared(theirs)) {
            std::string from = train->from_size() == 1
                                   ? train->from(0)
                                   : fmt::format("[{}]", fmt::join(theirs, ", "));
            complaints_.value(
                "E072", path_of("steps." + step.name(), "from"),
                fmt::format("`{}` must read what `{}` trains on", step.name(), train->name()),
                fmt::format("write from: {}", from));
        }
    }

    // Whether the inputs could be read and are there, so that they can be compared.
    bool are_declared(const std::set<std::string>& from) const {
        return !from.empty() && std::ranges::all_of(from, [&](const std::string& name) {
            return names_.source(name) != nullptr || names_.step(name) != nullptr;
        });
    }

    // Log loss, AUC and entropy are defined for probabilities.
    void check_measurable(const std::string& name, const std::string& path) {
        const proto::Model* model = names_.model(name);
        if (model == nullptr || model->task() != proto::TASK_REGRESSION) {
            return;
        }
        complaints_.value(
            "E082", path_of(path, "models"),
            fmt::format("`evaluate` measures binary models, and \"{}\" is none", name),
            "remove it from the list");
    }

    void check_sink(const proto::Sink& sink) {
        const std::string path = "sinks." + sink.name();
        if (format_of(sink) == proto::SINK_FORMAT_RAW && sink.from() != kErrorsStream) {
            complaints_.value("E076", path_of(path, "format"),
                              "`raw` writes rejected records as they came, for `errors` only",
                              "write json");
        }
        if (!sink.has_kafka()) {
            return;
        }
        for (const proto::Source& source : job_.sources()) {
            if (source.has_kafka() && source.kafka().topic() == sink.kafka().topic() &&
                source.kafka().cluster() == sink.kafka().cluster()) {
                complaints_.warn("W046", path,
                                 fmt::format("`{}` writes the topic that `{}` reads: a loop",
                                             sink.name(), source.name()),
                                 "write another topic");
            }
        }
    }

    static proto::SinkFormat format_of(const proto::Sink& sink) {
        switch (sink.kind_case()) {
            case proto::Sink::kKafka:
                return sink.kafka().format();
            case proto::Sink::kFile:
                return sink.file().format();
            case proto::Sink::kPrint:
                return sink.print().format();
            default:
                return proto::SINK_FORMAT_UNSPECIFIED;
        }
    }

    const JobNames& names_;
    const proto::Job& job_;
    Complaints& complaints_;
    const Damage& damage_;
};

}  // namespace

void check_meaning(const JobNames& names, Complaints& complaints) {
    MeaningCheck(names, complaints).run();
}

}  // namespace millrace::jobfile
