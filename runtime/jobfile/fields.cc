#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "runtime/config/suggestion.h"
#include "runtime/config/yaml_tree.h"
#include "runtime/jobfile/phases.h"

namespace millrace::jobfile {
namespace {

using config::path_of;

// What a field is used as. Without a schema its use gives it a type.
enum class Use : unsigned char {
    kAny,         // Passed on, whatever it is.
    kHashed,      // A scalar.
    kHashedList,  // A list.
    kNumber,
    kTime,
};

struct Wanted {
    Use use;
    std::string by;  // "is hashed", for messages.
};

bool is_numeric(ValueType type) { return type != ValueType::kString && type != ValueType::kBytes; }

bool fits(const ShapeField& field, Use use) {
    if (field.type == ValueType::kUnknown) {
        return true;
    }
    switch (use) {
        case Use::kAny:
            return true;
        case Use::kHashed:
            return !field.list;
        case Use::kHashedList:
            return field.list;
        case Use::kNumber:
            return !field.list && is_numeric(field.type);
        case Use::kTime:
            return !field.list &&
                   (field.type == ValueType::kTimestampMs || field.type == ValueType::kInt64);
    }
    return false;
}

ShapeField typed_by(Use use, const std::string& name) {
    switch (use) {
        case Use::kNumber:
            return {name, ValueType::kFloat64, false};
        case Use::kTime:
            return {name, ValueType::kTimestampMs, false};
        case Use::kHashedList:
            return {name, ValueType::kString, true};
        default:
            return {name, ValueType::kString, false};
    }
}

ShapeField shape_field(const proto::SchemaField& field) {
    return {field.name(), static_cast<ValueType>(field.type().element()), field.type().list()};
}

std::vector<ShapeField> preset_fields(proto::Preset preset) {
    if (preset == proto::PRESET_SEQUENCE) {
        return {{"value", ValueType::kInt64, false}};
    }
    std::vector<ShapeField> fields{{"impression_id", ValueType::kString, false},
                                   {"ts", ValueType::kTimestampMs, false}};
    constexpr int kFieldCount = 20;
    for (int i = 0; i < kFieldCount; ++i) {
        fields.push_back({fmt::format("f{}", i), ValueType::kInt32, false});
    }
    fields.push_back({"label", ValueType::kInt32, false});
    return fields;
}

// A stream: the shape of its records, and the sources that they come from.
struct Stream {
    RecordShape shape;
    std::set<std::string> open_sources;  // Sources without schema.
    bool is_known = true;                // False: something before it is wrong, and was reported.
};

class FieldCheck {
  public:
    FieldCheck(const JobNames& names, const ExpressionChecker* expressions, Complaints& complaints)
        : names_(names),
          job_(names.job()),
          expressions_(expressions),
          complaints_(complaints),
          damage_(complaints.damage()) {}

    UsedFields run(bool is_whole) {
        for (const proto::Source& source : job_.sources()) {
            add_source(source);
        }
        for (const proto::Step* step : names_.steps_in_order()) {
            add_step(*step);
        }
        for (const proto::Sink& sink : job_.sinks()) {
            check_sink(sink);
        }
        for (const auto& [source, fields] : used_) {
            if (fields.empty() && is_whole) {
                complaints_.key("E057", "sources." + source,
                                fmt::format("`sources.{}` needs a schema: no field of it is named "
                                            "anywhere",
                                            source),
                                "add schema: NAME");
            }
        }
        return std::move(used_);
    }

  private:
    void add_source(const proto::Source& source) {
        Stream stream;
        const std::string path = "sources." + source.name();
        const proto::Schema* schema = names_.schema(source.schema());
        stream.is_known = has_known_shape(source, schema, path);
        if (source.has_generate()) {
            stream.shape = {fmt::format("the preset of `{}`", source.name()),
                            preset_fields(source.generate().preset()), false};
        } else if (schema != nullptr) {
            stream.shape.described = fmt::format("schema {}", schema->name());
            for (const proto::SchemaField& field : schema->fields()) {
                stream.shape.fields.push_back(shape_field(field));
            }
        } else if (stream.is_known) {
            stream.shape = {fmt::format("`{}`", source.name()), {}, true};
            stream.open_sources.insert(source.name());
            used_[source.name()];
        }
        if (source.event_time().has_field()) {
            use(stream, source.event_time().field(), {Use::kTime, "gives the event time"},
                path_of(path, "event_time.field"));
        }
        streams_.emplace(source.name(), std::move(stream));
    }

    bool has_known_shape(const proto::Source& source, const proto::Schema* schema,
                         const std::string& path) const {
        if (source.has_generate()) {
            return !damage_.is_in(path_of(path, "preset"));
        }
        if (schema != nullptr) {
            return !damage_.is_in("schemas." + schema->name());
        }
        return !source.has_schema() && !damage_.is_in(path);
    }

    void add_step(const proto::Step& step) {
        Stream stream = input_of(step);
        const std::string path = "steps." + step.name();
        switch (step.kind_case()) {
            case proto::Step::kPredict:
                check_features(stream, step.predict().models());
                keep_fields(step, stream, path);
                break;
            case proto::Step::kTrain:
                check_features(stream, step.train().models());
                use(stream, step.train().label(), {Use::kNumber, "is the label"},
                    path_of(path, "label"));
                if (damage_.none()) {
                    warn_of_label(step);
                }
                break;
            case proto::Step::kEvaluate:
                if (step.evaluate().has_audit()) {
                    use(stream, step.evaluate().audit(), {Use::kAny, "is the id"},
                        path_of(path, "audit"));
                }
                break;
            case proto::Step::kFilter:
                (void)check_expression(step.filter().where(), path_of(path, "where"), stream,
                                       ValueType::kBool);
                break;
            case proto::Step::kCompute:
                add_computed(step, stream, path);
                break;
            default:
                break;
        }
        stream.is_known = stream.is_known && !damage_.is_in(path, {"parallelism", "where"});
        streams_.insert_or_assign(step.name(), std::move(stream));
    }

    // What `name` gives; not known if it gives nothing.
    [[nodiscard]] Stream stream_of(const std::string& name) const {
        const auto found = streams_.find(name);
        return found != streams_.end() ? found->second : Stream{{}, {}, false};
    }

    // The stream that the step reads; of several, which must have one schema, the first.
    Stream input_of(const proto::Step& step) {
        const std::string path = path_of("steps." + step.name(), "from");
        if (step.from().empty() || damage_.is_in(path)) {
            return {{}, {}, false};
        }
        Stream stream = stream_of(step.from(0));
        for (int i = 1; i < step.from_size(); ++i) {
            const Stream other = stream_of(step.from(i));
            stream.open_sources.insert(other.open_sources.begin(), other.open_sources.end());
            const bool differ =
                other.shape.open != stream.shape.open || other.shape.fields != stream.shape.fields;
            if (differ && stream.is_known && other.is_known) {
                complaints_.value(
                    "E053", path_of(path, static_cast<std::size_t>(i)),
                    fmt::format("`{}` and `{}` have different fields", step.from(0), step.from(i)),
                    "give both one schema");
            }
            stream.is_known = stream.is_known && other.is_known;
        }
        return stream;
    }

    // ------------------------------------------------------------------ use of fields

    void use(Stream& stream, const std::string& name, const Wanted& wanted,
             const std::string& path) {
        if (!stream.is_known || name.empty()) {
            return;
        }
        if (const ShapeField* field = stream.shape.find(name)) {
            if (!fits(*field, wanted.use)) {
                complaints_.value(
                    "E052", path,
                    fmt::format("field \"{}\" {}, but is {} in {}", name, wanted.by,
                                type_word(field->type, field->list), stream.shape.described),
                    fitting(wanted.use));
            }
        } else if (stream.shape.open) {
            for (const std::string& source : stream.open_sources) {
                use_open(source, name, wanted, path);
            }
        } else {
            std::vector<std::string_view> known;
            known.reserve(stream.shape.fields.size());
            for (const ShapeField& entry : stream.shape.fields) {
                known.push_back(entry.name);
            }
            complaints_.value(
                "E050", path,
                fmt::format("there is no field \"{}\" in {}", name, stream.shape.described),
                config::suggestion(name, known));
        }
    }

    static std::string fitting(Use use) {
        switch (use) {
            case Use::kHashed:
                return "use hashed_list for a list";
            case Use::kHashedList:
                return "use hashed for what is no list";
            case Use::kNumber:
                return "use a field that is a number";
            case Use::kTime:
                return "use a timestamp_ms or int64 field";
            case Use::kAny:
                break;
        }
        return "";
    }

    // Types a field of a source without schema by its use. kAny gives way to any other use.
    void use_open(const std::string& source, const std::string& name, const Wanted& wanted,
                  const std::string& path) {
        std::vector<ShapeField>& fields = used_[source];
        const ShapeField typed = typed_by(wanted.use, name);
        const auto found = std::ranges::find(fields, name, &ShapeField::name);
        const bool weak = wanted.use == Use::kAny;
        const std::pair key(source, name);
        if (found == fields.end()) {
            fields.push_back(typed);
        } else if (!weak && (!strong_.contains(key) || *found == typed)) {
            *found = typed;
        } else if (!weak) {
            complaints_.value("E052", path,
                              fmt::format("field \"{}\" {}, but another use makes it {}", name,
                                          wanted.by, type_word(found->type, found->list)),
                              fmt::format("give `sources.{}` a schema that says its type", source));
        }
        if (!weak) {
            strong_.insert(key);
        }
    }

    // ------------------------------------------------------------------ steps

    template <class Models>
    void check_features(Stream& stream, const Models& models) {
        for (const std::string& name : models) {
            const proto::Model* model = names_.model(name);
            const proto::Features* features =
                model != nullptr ? names_.features(model->features()) : nullptr;
            if (features == nullptr) {
                continue;
            }
            const std::string path = path_of("features." + features->name(), "columns");
            for (const proto::Column& column : features->columns()) {
                const std::string column_path = path_of(path, column.name());
                if (damage_.is_in(column_path)) {
                    continue;
                }
                const std::string from_path = path_of(column_path, "from");
                const bool written = complaints_.places().is_written(from_path);
                use(stream, column.has_from() ? column.from() : column.name(), wanted_by(column),
                    written ? from_path : column_path);
            }
        }
    }

    static Wanted wanted_by(const proto::Column& column) {
        if (column.has_take()) {
            return {Use::kTime, "gives a part of its time"};
        }
        switch (column.as()) {
            case proto::COLUMN_KIND_HASHED_LIST:
                return {Use::kHashedList, "is hashed as a list"};
            case proto::COLUMN_KIND_NUMBER:
            case proto::COLUMN_KIND_BUCKETS:
                return {Use::kNumber, "is used as a number"};
            default:
                return {Use::kHashed, "is hashed"};
        }
    }

    void keep_fields(const proto::Step& step, Stream& stream, const std::string& path) {
        std::vector<ShapeField> kept;
        const auto& keep = step.predict().keep();
        std::set<std::string_view> seen;
        for (int i = 0; i < keep.size(); ++i) {
            const std::string item = path_of(path_of(path, "keep"), static_cast<std::size_t>(i));
            if (!seen.insert(keep[i]).second) {
                complaints_.value("E059", item, fmt::format("\"{}\" is listed twice", keep[i]),
                                  "remove one of them");
                continue;
            }
            use(stream, keep[i], {Use::kAny, "is kept"}, item);
            const ShapeField* field = stream.shape.find(keep[i]);
            kept.push_back(field != nullptr ? *field : ShapeField{keep[i]});
        }
        if (!keep.empty()) {
            stream.shape.fields = std::move(kept);
            stream.shape.open = false;
        }
        add_predictions(step, stream);
        stream.shape.described = fmt::format("what `{}` keeps", step.name());
    }

    // What `predict` adds to each record, as operators/learning/predict_step.cc does.
    void add_predictions(const proto::Step& step, Stream& stream) const {
        for (const std::string& name : step.predict().models()) {
            const proto::Model* model = names_.model(name);
            if (model == nullptr || damage_.is_in("models." + name)) {
                stream.is_known = false;
                continue;
            }
            const std::string prefix = "predictions." + name + ".";
            std::vector<ShapeField>& fields = stream.shape.fields;
            fields.push_back({prefix + "score", ValueType::kFloat32, false});
            if (model->learner().has_adpredictor())
                fields.push_back({prefix + "variance", ValueType::kFloat32, false});
            fields.push_back({prefix + "version", ValueType::kInt64, false});
        }
    }

    void warn_of_label(const proto::Step& step) {
        for (const std::string& name : step.train().models()) {
            const proto::Model* model = names_.model(name);
            const proto::Features* features =
                model != nullptr ? names_.features(model->features()) : nullptr;
            if (features == nullptr) {
                continue;
            }
            for (const proto::Column& column : features->columns()) {
                const std::string& field = column.has_from() ? column.from() : column.name();
                if (field == step.train().label()) {
                    complaints_.warn(
                        "W043", path_of("features." + features->name() + ".columns", column.name()),
                        fmt::format(
                            "the label of `{}` is also a feature: predictions cannot have it",
                            step.name()),
                        "remove the column");
                }
            }
        }
    }

    void add_computed(const proto::Step& step, Stream& stream, const std::string& path) {
        std::vector<ShapeField> added;
        for (const proto::Assignment& entry : step.compute().set()) {
            const std::string entry_path = path_of(path_of(path, "set"), entry.name());
            if (stream.shape.find(entry.name()) != nullptr) {
                complaints_.key("E060", entry_path,
                                fmt::format("field \"{}\" is already in {}", entry.name(),
                                            stream.shape.described),
                                "choose a new name");
                continue;
            }
            const CheckedExpression checked =
                check_expression(entry.expression(), entry_path, stream, ValueType::kUnknown);
            added.push_back({entry.name(), checked.type, checked.list});
        }
        stream.shape.fields.insert(stream.shape.fields.end(), added.begin(), added.end());
        stream.shape.described = fmt::format("what `{}` computes", step.name());
    }

    CheckedExpression check_expression(const std::string& text, const std::string& path,
                                       const Stream& stream, ValueType wanted) {
        if (!stream.is_known || text.empty()) {
            return {};
        }
        if (stream.shape.open) {
            std::string sources;
            for (const std::string& source : stream.open_sources) {
                sources += (sources.empty() ? "`sources." : ", `sources.") + source + "`";
            }
            complaints_.value("E057", path, "an expression needs to know the types of its fields",
                              fmt::format("give {} a schema", sources));
            return {};
        }
        if (expressions_ == nullptr) {
            return {};
        }
        CheckedExpression checked = expressions_->check(text, stream.shape);
        for (const ExpressionFault& fault : checked.faults) {
            complaints_.inside("E055", path, mark_inside(path, text, fault), fault.message,
                               fault.fix);
        }
        const bool known = checked.faults.empty() && checked.type != ValueType::kUnknown;
        if (known && wanted != ValueType::kUnknown && (checked.type != wanted || checked.list)) {
            complaints_.value(
                "E055", path,
                fmt::format("`{}` is {}, but must be {}", path,
                            type_word(checked.type, checked.list), type_word(wanted, false)),
                "compare it with something");
        }
        return checked;
    }

    // The place of a fault in an expression that stands on one line.
    config::Mark mark_inside(const std::string& path, const std::string& text,
                             const ExpressionFault& fault) const {
        const config::Mark whole = complaints_.places().value_of(path);
        const auto columns = whole.end_column - whole.column;
        const bool one_line = whole.line != 0 && whole.line == whole.end_line;
        // Quotes take two columns; with escapes or variables the place inside is not known.
        if (!one_line || (columns != text.size() && columns != text.size() + 2)) {
            return whole;
        }
        const auto quote = static_cast<std::uint32_t>(columns == text.size() ? 0 : 1);
        config::Mark mark = whole;
        mark.column += quote + static_cast<std::uint32_t>(std::min(fault.offset, text.size()));
        mark.end_column = mark.column + static_cast<std::uint32_t>(
                                            std::clamp<std::size_t>(fault.length, 1, text.size()));
        return mark;
    }

    void check_sink(const proto::Sink& sink) {
        if (!sink.has_kafka() || !sink.kafka().has_key()) {
            return;
        }
        const proto::Step* step = names_.step(sink.from());
        if (step != nullptr && step->has_evaluate()) {
            return;  // The records of `evaluate` are ours, as those of `errors`.
        }
        Stream stream = stream_of(sink.from());
        use(stream, sink.kafka().key(), {Use::kAny, "is the key"},
            path_of("sinks." + sink.name(), "key"));
    }

    const JobNames& names_;
    const proto::Job& job_;
    const ExpressionChecker* expressions_;
    Complaints& complaints_;
    const Damage& damage_;
    std::map<std::string, Stream> streams_;
    UsedFields used_;
    std::set<std::pair<std::string, std::string>> strong_;  // Source and field with a typed use.
};

}  // namespace

UsedFields check_fields(const JobNames& names, const ExpressionChecker* expressions, bool is_whole,
                        Complaints& complaints) {
    return FieldCheck(names, expressions, complaints).run(is_whole);
}

}  // namespace millrace::jobfile
