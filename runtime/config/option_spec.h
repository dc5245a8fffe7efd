// Declares one key of the process configuration: the only place that knows its name, default and
// range.
//
// Threads:    constants.
// Ownership:  the texts are literals.
// Failure:    a spec whose own default is not legal aborts when the table is made.

#pragma once

#include <string_view>

namespace millrace::config {

enum class OptionType : unsigned char {
    kText,
    kBool,      // true or false.
    kCount,     // A whole number from 0 on.
    kNumber,    // Any finite number.
    kFraction,  // 0 to 1, written 0.4.
    kTime,      // 500ms, 10s.
    kSize,      // 64MiB, or as Flink writes it: 1728m.
    kWord,      // One of `words`.
    kList,      // Texts, separated by commas or written as a list.
};

enum class Audience : unsigned char { kUser, kTuning };

// A name may have '*' for any one part (kafka.clusters.*.brokers) and may end in '**' for all that
// follows (kafka.clusters.*.properties.**).
struct OptionSpec {
    std::string_view name;
    OptionType type = OptionType::kText;
    std::string_view default_value = "";  // As it would be written; empty: none.
    std::string_view min = "";            // As it would be written; empty: no bound.
    std::string_view max = "";
    std::string_view words = "";  // kWord: "text|json".
    Audience audience = Audience::kUser;
    bool secret = false;             // The value is never printed.
    std::string_view rejected = "";  // Not empty: the key is refused, and this says what to do.
    std::string_view doc = "";       // One or two sentences.
};

}  // namespace millrace::config
