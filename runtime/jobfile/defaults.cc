#include <algorithm>
#include <set>

#include "runtime/base/check.h"
#include "runtime/jobfile/key_table.h"
#include "runtime/jobfile/phases.h"
#include "runtime/jobfile/value_reader.h"

namespace millrace::jobfile {
namespace {

void fill_section(Message& section);

// Sets one field to its default, which is written as in a job file.
void fill_field(Message& section, const FieldDescriptor& field) {
    const std::string& text = spec_of(field).default_value();
    if (field.cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) {
        MILLRACE_CHECK(read_value(text, section, field, field.name()).has_value());
        return;
    }
    Message& inner = *section.GetReflection()->MutableMessage(&section, &field);
    const proto::SectionOptions& options = section_of(*inner.GetDescriptor());
    if (options.written_as() != proto::WRITTEN_AS_MAPPING) {
        MILLRACE_CHECK(read_written_as(text, inner, field.name()).has_value());
    } else if (text != "{}") {
        const FieldDescriptor& target =
            *inner.GetDescriptor()->FindFieldByName(options.shorthand());
        MILLRACE_CHECK(read_value(text, inner, target, field.name()).has_value());
    }
}

void fill_inner(Message& section, const FieldDescriptor& field) {
    const Reflection& reflection = *section.GetReflection();
    if (field.cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) {
        return;
    }
    if (!field.is_repeated()) {
        if (reflection.HasField(section, &field)) {
            fill_section(*reflection.MutableMessage(&section, &field));
        }
        return;
    }
    for (int i = 0; i < reflection.FieldSize(section, &field); ++i) {
        fill_section(*reflection.MutableRepeatedMessage(&section, &field, i));
    }
}

void fill_section(Message& section) {
    const Descriptor& descriptor = *section.GetDescriptor();
    const bool typed = section_of(descriptor).flat_type();
    const FieldDescriptor* arm = typed ? arm_of(section) : nullptr;
    for (const LegalKey& key : legal_keys(descriptor, nullptr, Naming::kByKey)) {
        const auto& not_for = spec_of(*key.field).not_for();
        const bool legal =
            arm == nullptr || std::ranges::find(not_for, arm->name()) == not_for.end();
        const bool absent =
            !key.field->is_repeated() && !section.GetReflection()->HasField(section, key.field);
        if (legal && absent && !spec_of(*key.field).default_value().empty()) {
            fill_field(section, *key.field);
        }
        fill_inner(section, *key.field);
    }
    if (arm != nullptr) {
        fill_inner(section, *arm);
    }
}

// Fills in what depends on other keys.
class DerivedDefaults {
  public:
    DerivedDefaults(proto::Job& job, const UsedFields& used) : job_(job), used_(used) {}

    void fill() {
        const std::set<std::string> bounded = bounded_steps();
        for (proto::Source& source : *job_.mutable_sources()) {
            fill_source(source);
        }
        for (proto::Features& features : *job_.mutable_features()) {
            for (proto::Column& column : *features.mutable_columns()) {
                if (!column.has_from()) {
                    column.set_from(column.name());
                }
            }
        }
        for (proto::Model& model : *job_.mutable_models()) {
            fill_loss(model);
        }
        for (proto::Step& step : *job_.mutable_steps()) {
            fill_step(step, bounded.contains(step.name()));
        }
        for (proto::Sink& sink : *job_.mutable_sinks()) {
            fill_sink(sink);
        }
    }

  private:
    std::set<std::string> bounded_steps() const {
        const JobNames names(job_);
        const auto bounded = names.bounded_nodes();
        return {bounded.begin(), bounded.end()};
    }

    std::string only_cluster() const {
        return job_.kafka().clusters_size() == 1 ? job_.kafka().clusters(0).name() : "default";
    }

    void fill_source(proto::Source& source) {
        if (!source.has_parallelism()) {
            const bool single = source.has_file() || source.has_socket();
            source.set_parallelism(single ? 1 : job_.runtime().parallelism());
        }
        if (source.has_kafka() && !source.kafka().has_group()) {
            source.mutable_kafka()->set_group("millrace-" + job_.name());
        }
        if (source.has_kafka() && !source.kafka().has_cluster()) {
            source.mutable_kafka()->set_cluster(only_cluster());
        }
        if (!source.has_schema() && !source.has_generate()) {
            source.set_schema(add_schema(source.name()));
        }
    }

    // Adds a schema of the fields that are used of a source; returns its name.
    std::string add_schema(const std::string& source) {
        std::string name = source;
        const auto taken = [&] {
            return std::ranges::any_of(
                job_.schemas(), [&](const proto::Schema& schema) { return schema.name() == name; });
        };
        while (taken()) {
            name += "_fields";
        }
        proto::Schema& schema = *job_.add_schemas();
        schema.set_name(name);
        for (const ShapeField& field : used_.at(source)) {
            proto::SchemaField& added = *schema.add_fields();
            added.set_name(field.name);
            added.mutable_type()->set_element(static_cast<proto::ScalarType>(field.type));
            added.mutable_type()->set_list(field.list);
        }
        return name;
    }

    static void fill_loss(proto::Model& model) {
        const proto::Loss loss =
            model.task() == proto::TASK_BINARY ? proto::LOSS_LOGISTIC : proto::LOSS_SQUARED;
        proto::Learner& learner = *model.mutable_learner();
        if (learner.has_ftrl() && !learner.ftrl().has_loss()) {
            learner.mutable_ftrl()->set_loss(loss);
        } else if (learner.has_sgd() && !learner.sgd().has_loss()) {
            learner.mutable_sgd()->set_loss(loss);
        } else if (learner.has_adagrad() && !learner.adagrad().has_loss()) {
            learner.mutable_adagrad()->set_loss(loss);
        }
    }

    void fill_step(proto::Step& step, bool bounded) {
        if (!step.has_parallelism()) {
            step.set_parallelism(step.has_evaluate() ? 1 : job_.runtime().parallelism());
        }
        if (step.has_train() && !step.train().has_order()) {
            step.mutable_train()->set_order(bounded ? proto::ORDER_CANONICAL
                                                    : proto::ORDER_ARRIVAL);
        }
        if (step.has_evaluate() && step.evaluate().metrics().empty()) {
            const EnumDescriptor& metrics = *proto::Metric_descriptor();
            for (int i = 1; i < metrics.value_count(); ++i) {
                step.mutable_evaluate()->add_metrics(
                    static_cast<proto::Metric>(metrics.value(i)->number()));
            }
        }
    }

    void fill_sink(proto::Sink& sink) {
        if (sink.has_kafka() && !sink.kafka().has_cluster()) {
            sink.mutable_kafka()->set_cluster(only_cluster());
        }
        proto::BadRecords& bad = *job_.mutable_runtime()->mutable_on_bad_record();
        if (sink.from() == kErrorsStream && !bad.has_send_to()) {
            bad.set_send_to(sink.name());
        }
    }

    proto::Job& job_;
    const UsedFields& used_;
};

}  // namespace

void apply_constant_defaults(proto::Job& job) { fill_section(job); }

void apply_derived_defaults(proto::Job& job, const UsedFields& used) {
    DerivedDefaults(job, used).fill();
}

}  // namespace millrace::jobfile
