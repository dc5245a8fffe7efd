// The process configuration: which keys there are, and the values that are in force.
//
// Values come from millrace.yaml (nested or dotted keys), then from the environment (MILLRACE_ and
// the name in capitals, other characters as '_'), then from flags; the later one wins, and
// effective() says which one it was. Unknown keys are errors that name the nearest key.
//
// Threads:    read-only after loading: any; while loading: one.
// Ownership:  OptionValues borrows its table.
// Limits:     YamlLimits for the file.
// Failure:    diagnostics, all of a source at once; a value that is refused is not taken over.

#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/config/option_spec.h"
#include "runtime/config/variables.h"
#include "runtime/config/yaml_tree.h"

namespace millrace::config {

class OptionsTable {
  public:
    // REQUIRES: names are unique; every default is legal.
    explicit OptionsTable(std::vector<OptionSpec> specs);

    // The spec of a key, by name or by pattern; nullptr when there is none.
    [[nodiscard]] const OptionSpec* find(std::string_view name) const;
    [[nodiscard]] std::span<const OptionSpec> specs() const { return specs_; }

    // A Markdown table of all keys that can be set, users' keys first.
    [[nodiscard]] std::string markdown() const;

  private:
    std::vector<OptionSpec> specs_;
};

// MILLRACE_REST_PORT for rest.port.
[[nodiscard]] std::string environment_name(std::string_view option);

enum class OptionOrigin : unsigned char { kDefault, kFile, kEnvironment, kFlag };
[[nodiscard]] std::string_view to_string(OptionOrigin origin);

struct EffectiveOption {
    std::string name;
    std::string text;  // As written; "<hidden>" for secrets.
    OptionOrigin origin = OptionOrigin::kDefault;
};

class OptionValues {
  public:
    explicit OptionValues(const OptionsTable& table) : table_(table) {}

    // Takes over what a file says. Call it once, before the other two.
    [[nodiscard]] std::vector<Diagnostic> read_file(const YamlNode& root);
    // Takes over the variables of all keys without a pattern.
    [[nodiscard]] std::vector<Diagnostic> read_environment(const VariableLookup& lookup);
    // Takes over `-D name=text` or a flag that stands for the key.
    [[nodiscard]] std::vector<Diagnostic> set_flag(std::string_view name, std::string_view text);

    // The value as written, else the default; nullopt when there is neither.
    [[nodiscard]] std::optional<std::string> find(std::string_view name) const;
    // True when somebody set it.
    [[nodiscard]] bool is_set(std::string_view name) const;

    // REQUIRES: the key is in the table with that type, and has a value or a default.
    [[nodiscard]] std::string text(std::string_view name) const;
    [[nodiscard]] bool boolean(std::string_view name) const;
    [[nodiscard]] std::int64_t count(std::string_view name) const;
    [[nodiscard]] double number(std::string_view name) const;  // kNumber and kFraction.
    [[nodiscard]] std::int64_t time_ms(std::string_view name) const;
    [[nodiscard]] std::int64_t size_bytes(std::string_view name) const;
    [[nodiscard]] std::vector<std::string> list(std::string_view name) const;

    // What was set below a prefix, in order of the names: kafka.clusters. gives main.brokers.
    [[nodiscard]] std::map<std::string, std::string> below(std::string_view prefix) const;
    // Every key that is set or has a default, in order of the names.
    [[nodiscard]] std::vector<EffectiveOption> effective() const;

  private:
    struct Value {
        std::string text;
        OptionOrigin origin = OptionOrigin::kDefault;
    };

    void read_section(const YamlNode& node, const std::string& prefix,
                      std::vector<Diagnostic>& diagnostics);
    void read_entry(const YamlEntry& entry, const std::string& name,
                    std::vector<Diagnostic>& diagnostics);
    void take(const std::string& name, std::string text, OptionOrigin origin, Mark mark,
              std::vector<Diagnostic>& diagnostics);
    [[nodiscard]] std::string required(std::string_view name) const;

    const OptionsTable& table_;
    std::map<std::string, Value, std::less<>> values_;
};

}  // namespace millrace::config
