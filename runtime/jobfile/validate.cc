#include "runtime/jobfile/validate.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "proto/job.pb.h"
#include "runtime/base/check.h"
#include "runtime/config/layers.h"
#include "runtime/jobfile/phases.h"
#include "runtime/jobfile/section_reader.h"

namespace millrace::jobfile {
namespace {

using config::Diagnostic;

void append(std::vector<Diagnostic>& all, std::vector<Diagnostic> more) {
    all.insert(all.end(), std::make_move_iterator(more.begin()),
               std::make_move_iterator(more.end()));
}

// A key that is given twice, a value that a comma cuts, or a variable that is not set, does not
// keep the rest of the file from being read.
bool is_readable(const std::vector<Diagnostic>& diagnostics) {
    return std::ranges::all_of(diagnostics, [](const Diagnostic& entry) {
        return entry.code == "E011" || entry.code == "E017";
    });
}

struct Layers {
    std::optional<config::YamlNode> root;  // Absent if it cannot be read.
    std::vector<Diagnostic> unfilled;      // Of values whose variables are not known.
};

// Phase 1: the tree of all layers, with variables filled in.
Layers read_layers(const std::vector<JobText>& texts, const ValidateOptions& options,
                   Validation& result) {
    Layers layers;
    std::optional<config::YamlNode>& root = layers.root;
    for (const JobText& layer : texts) {
        const std::uint32_t file = result.sources.add(layer.name, layer.text);
        config::YamlDocument document = config::read_yaml(layer.text, file);
        append(result.diagnostics, std::move(document.diagnostics));
        if (document.root && root) {
            config::merge_layer(*root, *std::move(document.root));
        } else if (document.root) {
            root = std::move(document.root);
        }
    }
    if (!root) {
        return layers;
    }
    for (const std::string& assignment : options.assignments) {
        append(result.diagnostics, config::apply_assignment(*root, result.sources, assignment));
    }
    if (!is_readable(result.diagnostics)) {
        root.reset();
        return layers;
    }
    layers.unfilled = options.variables ? config::fill_variables(*root, options.variables)
                                        : config::refuse_variables(*root);
    return layers;
}

bool is_same_place(const config::Mark& a, const config::Mark& b) {
    return a.file == b.file && a.line == b.line && a.column == b.column;
}

// Phase 2. The errors of both are what later phases have to do without.
std::vector<Diagnostic> read_shape(const Layers& layers, proto::Job& job, Validation& result) {
    std::vector<Diagnostic> errors = read_sections(*layers.root, job, result.places);
    // A value that is not known is not of the wrong kind, too.
    std::erase_if(errors, [&](const Diagnostic& error) {
        return std::ranges::any_of(layers.unfilled, [&](const Diagnostic& value) {
            return is_same_place(value.mark, error.mark);
        });
    });
    errors.insert(errors.end(), layers.unfilled.begin(), layers.unfilled.end());
    return errors;
}

// Phases 2 to 4. True if all were clean.
bool read_and_check(const Layers& layers, const ValidateOptions& options, proto::Job& job,
                    Validation& result) {
    const std::vector<Diagnostic> errors = read_shape(layers, job, result);
    append(result.diagnostics, errors);
    const Damage damage(errors, result.places);
    apply_constant_defaults(job);
    UsedFields used;
    {
        const JobNames names(job);
        Complaints complaints(result.places, damage, result.diagnostics);
        check_references(names, complaints);
        const bool is_whole = !config::has_errors(result.diagnostics);
        used = check_fields(names, options.expressions, is_whole, complaints);
        check_meaning(names, complaints);
    }
    if (config::has_errors(result.diagnostics)) {
        return false;
    }
    apply_derived_defaults(job, used);
    return true;
}

void settle_warnings(std::vector<Diagnostic>& diagnostics, const ValidateOptions& options) {
    std::erase_if(diagnostics, [&](const Diagnostic& entry) {
        return entry.severity == config::Severity::kWarning &&
               std::ranges::find(options.allowed_warnings, entry.code) !=
                   options.allowed_warnings.end();
    });
    if (options.deny_warnings) {
        for (Diagnostic& entry : diagnostics) {
            entry.severity = config::Severity::kError;
        }
    }
}

}  // namespace

Validation::Validation() = default;
Validation::~Validation() = default;
Validation::Validation(Validation&&) noexcept = default;
Validation& Validation::operator=(Validation&&) noexcept = default;

Validation validate(const std::vector<JobText>& layers, const ValidateOptions& options) {
    MILLRACE_CHECK(!layers.empty());
    Validation result;
    if (layers.size() + options.assignments.size() > kLayersMax) {
        result.diagnostics.push_back(
            {.code = "E003", .message = fmt::format("more than {} layers", kLayersMax)});
        return result;
    }
    if (const Layers read = read_layers(layers, options, result); read.root) {
        result.resolved = config::write_yaml(*read.root);
        auto job = std::make_unique<proto::Job>();
        const bool clean = read_and_check(read, options, *job, result);
        settle_warnings(result.diagnostics, options);
        if (clean && !config::has_errors(result.diagnostics)) {
            result.job = std::move(job);
        }
    }
    config::sort_by_place(result.diagnostics);
    return result;
}

}  // namespace millrace::jobfile
