// One shape of JSON record: which keys stand in which order, byte for byte, white space included.
//
// A record of the shape is read without parsing: the commas are found first, so that all fields'
// places are known; each key is one masked compare, and each value is read by what its column
// wants. Everything between two commas is looked at, so a record that matches is exactly what the
// general parser would have read; anything unexpected means "no match", never an error.
//
// Threads:    one.
// Ownership:  owns a copy of the keys.
// Limits:     kFieldsMax fields; values are scalars, or lists of scalars.
// Failure:    learn() gives nullopt for a record whose shape cannot be told in this way.

#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "operators/format/decode_rules.h"
#include "operators/format/field_index.h"
#include "runtime/data/batch_builder.h"

namespace millrace::operators {

class JsonShape {
  public:
    static constexpr std::size_t kFieldsMax = 1024;
    // Bytes behind a record that must be readable.
    static constexpr std::size_t kPadding = 64;

    // The shape of a record that the general parser has found good.
    static std::optional<JsonShape> learn(std::string_view record, const data::Schema& schema,
                                          const FieldIndex& index, const CompiledRules& rules);

    // Cheap: whether the record begins as the shape does.
    [[nodiscard]] bool may_match(std::string_view record) const;
    [[nodiscard]] std::size_t fields() const { return fields_.size(); }
    // True for records whose commas should be counted outside of strings and lists only.
    [[nodiscard]] bool has_inner_commas() const { return has_inner_commas_; }
    void set_inner_commas(bool has_inner_commas) { has_inner_commas_ = has_inner_commas; }

    enum class Match : std::uint8_t {
        kNo,         // The row wants undo_row().
        kAll,        // columns() have their values, none is marked as present yet.
        kSomeNulls,  // The same, but for nulls().
    };
    // Reads the record into the builder's open row. `separators` are the position 0 and those of
    // fields() - 1 commas; there is room for one more.
    Match match(std::string_view record, std::uint32_t* separators, data::BatchBuilder& builder,
                const CompiledRules& rules);

    // The columns that the shape's fields fill.
    [[nodiscard]] const std::vector<std::uint32_t>& columns() const { return columns_; }
    // Of the last record: those of columns() that were null.
    [[nodiscard]] const std::vector<std::uint32_t>& nulls() const { return nulls_; }

  private:
    // What a field's value is read as.
    enum class Read : std::uint8_t {
        kInt32,
        kInt64,
        kFloat32,
        kFloat64,
        kText,
        kOther,   // Bool, bytes, lists: through column_writer.h.
        kForget,  // No column wants it.
    };
    struct Field {
        std::uint64_t key_word = 0;  // The first 8 bytes from the separator to the value.
        std::uint64_t key_mask = 0;
        std::uint32_t key_bytes = 0;
        std::uint32_t key_at = 0;  // In keys_.
        std::uint32_t column = 0;
        Read read = Read::kForget;
        data::Type type;
    };

    bool learn_fields(std::string_view record, const data::Schema& schema, const FieldIndex& index);
    [[nodiscard]] bool has_all(const std::vector<std::size_t>& columns) const;
    [[nodiscard, gnu::always_inline]] bool key_matches(const Field& field, const char* at) const;
    // False: no match.
    [[gnu::always_inline]] bool read_value(const Field& field, const char* begin, std::size_t bytes,
                                           data::BatchBuilder& builder);
    bool read_slowly(const Field& field, std::string_view token, data::BatchBuilder& builder);
    bool read_scalar(const Field& field, std::string_view token, data::BatchBuilder& builder);
    bool read_list(const Field& field, std::string_view token, data::BatchBuilder& builder);

    std::vector<Field> fields_;
    std::string keys_;    // All keys, padded.
    std::string suffix_;  // From the end of the last value: the brace and white space.
    std::vector<std::uint32_t> columns_;
    std::vector<std::uint32_t> nulls_;
    std::string scratch_;
    bool has_inner_commas_ = false;
};

}  // namespace millrace::operators
