// What a record must fulfil beyond its types, and the words for what can be wrong with one.
//
// Threads:    values; CompiledRules is read by one decoder.
// Ownership:  views in a DecodeError live as long as the decoder.
// Limits:     none of its own.
// Failure:    compile() refuses rules that do not fit the schema.

#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/status.h"
#include "runtime/data/batch_builder.h"
#include "runtime/data/schema.h"

namespace millrace::operators {

// Why a record is no row.
struct DecodeError {
    std::string_view code;     // One of kDecodeCodes.
    std::string_view message;  // One sentence, without bytes of the payload.
    std::string_view field;    // The column; empty when it is not about one.
};

// Every code that a decoder uses, for metrics and documentation.
inline constexpr std::string_view kDecodeCodes[] = {
    "null_record",      // The record has no value.
    "empty_record",     // The value has no bytes.
    "bad_json",         // Not JSON, or not an object.
    "bad_csv",          // Quotes or the number of fields are wrong.
    "bad_utf8",         // Text that is not UTF-8.
    "wrong_type",       // A field's value is not of the column's type.
    "out_of_range",     // A number that the column's type cannot hold.
    "duplicate_field",  // A field stands twice in the record.
    "null_field",       // A required column is missing or null.
    "null_label",       // The label is missing or null.
    "bad_label",        // The label is neither 0 nor 1.
};

struct DecodeRules {
    struct Label {
        std::string column;     // bool or a number; must not be null.
        bool is_binary = true;  // It must be 0 or 1.
    };

    // Columns that must not be null, for example the event time and a sink's key.
    std::vector<std::string> required;
    std::vector<Label> labels;
};

// The rules by column index.
class CompiledRules {
  public:
    // Errors: kInvalidArgument for a column that does not exist, or a label that is no number.
    static Result<CompiledRules> compile(const data::Schema& schema, const DecodeRules& rules);

    // Checks the builder's open row, whose values are marked as present.
    [[nodiscard]] std::optional<DecodeError> check(const data::BatchBuilder& row) const;

    // Columns that every row must have, in ascending order.
    [[nodiscard]] const std::vector<std::size_t>& never_null() const { return never_null_; }
    // Checks only the values of the labels of the open row, which are there.
    [[nodiscard]] bool labels_are_sound(const data::BatchBuilder& row) const;

  private:
    struct Column {
        std::size_t index;
        data::Kind kind;
        std::string name;
        bool is_label;
        bool is_binary;
    };

    [[nodiscard]] static bool is_zero_or_one(const Column& column, const data::BatchBuilder& row);

    std::vector<Column> columns_;
    std::vector<std::size_t> never_null_;
    bool has_binary_labels_ = false;
};

}  // namespace millrace::operators
