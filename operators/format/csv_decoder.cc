#include "operators/format/csv_decoder.h"

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include <simdjson.h>

#include "operators/format/json_number.h"
#include "operators/format/padded_record.h"

namespace millrace::operators {
namespace {

using data::Kind;

constexpr DecodeError kBadQuotes{"bad_csv", "A quote is missing or in the wrong place.", {}};
constexpr DecodeError kBadCount{"bad_csv", "The record has too few or too many fields.", {}};

// Cuts a line into fields.
class FieldCutter {
  public:
    FieldCutter(std::string_view line, CsvDecoder::Dialect dialect)
        : rest_(line), is_csv_(dialect == CsvDecoder::Dialect::kCsv) {
        if (rest_.ends_with('\r')) rest_.remove_suffix(1);
    }

    [[nodiscard]] bool is_done() const { return is_done_; }
    // The next field, quotes removed, in the line or in `scratch`. False when its quotes are wrong.
    // REQUIRES: !is_done().
    bool next(std::string_view& field, std::string& scratch) {
        if (is_csv_ && rest_.starts_with('"')) {
            return next_quoted(field, scratch);
        }
        const std::size_t end = rest_.find(is_csv_ ? ',' : '\t');
        field = rest_.substr(0, end);
        advance(end);
        return !is_csv_ || field.find('"') == std::string_view::npos;
    }

  private:
    bool next_quoted(std::string_view& field, std::string& scratch) {
        scratch.clear();
        bool is_whole = true;  // No doubled quote so far.
        for (std::size_t begin = 1;;) {
            const std::size_t quote = rest_.find('"', begin);
            if (quote == std::string_view::npos) {
                return false;
            }
            const std::string_view piece = rest_.substr(begin, quote - begin);
            if (quote + 1 < rest_.size() && rest_[quote + 1] == '"') {
                is_whole = false;
                scratch.append(piece).push_back('"');
                begin = quote + 2;
                continue;
            }
            if (!is_whole) scratch.append(piece);
            field = is_whole ? piece : std::string_view(scratch);
            const bool is_last = quote + 1 == rest_.size();
            if (!is_last && rest_[quote + 1] != ',') {
                return false;
            }
            advance(is_last ? std::string_view::npos : quote + 1);
            return true;
        }
    }

    void advance(std::size_t separator) {
        is_done_ = separator == std::string_view::npos;
        rest_.remove_prefix(is_done_ ? rest_.size() : separator + 1);
    }

    std::string_view rest_;
    const bool is_csv_;
    bool is_done_ = false;
};

std::optional<DecodeError> error_of(Number number) {
    switch (number) {
        case Number::kFits:
            return std::nullopt;
        case Number::kOutOfRange:
            return DecodeError{"out_of_range", "The number is out of the column's range.", {}};
        case Number::kNotInteger:
            return DecodeError{"wrong_type", "The value is not an integer.", {}};
        case Number::kMalformed:
            break;
    }
    return DecodeError{"wrong_type", "The value is not of the column's type.", {}};
}

template <class T, class Parse, class Set>
std::optional<DecodeError> write_number(std::string_view field, Parse parse, Set set) {
    T value{};
    const Number number = parse(field.data(), field.data() + field.size(), value);
    if (number == Number::kFits) set(value);
    return error_of(number);
}

using Written = Result<std::optional<DecodeError>>;

Written write_field(data::BatchBuilder& row, std::size_t column, Kind kind,
                    std::string_view field) {
    switch (kind) {
        case Kind::kBool: {
            const bool is_true = field == "true" || field == "1";
            if (!is_true && field != "false" && field != "0") return error_of(Number::kMalformed);
            row.set_bool(column, is_true);
            return std::nullopt;
        }
        case Kind::kInt32:
            return write_number<std::int32_t>(field, parse_int32,
                                              [&](auto v) { row.set_int32(column, v); });
        case Kind::kFloat32:
            return write_number<float>(field, parse_float32,
                                       [&](auto v) { row.set_float32(column, v); });
        case Kind::kFloat64:
            return write_number<double>(field, parse_float64,
                                        [&](auto v) { row.set_float64(column, v); });
        case Kind::kString:
            if (!simdjson::validate_utf8(field)) {
                return DecodeError{"bad_utf8", "The text is not UTF-8.", {}};
            }
            [[fallthrough]];
        case Kind::kBytes:
            MILLRACE_TRY(row.set_text(column, field));
            return std::nullopt;
        default:
            return write_number<std::int64_t>(field, parse_int64,
                                              [&](auto v) { row.set_int64(column, v); });
    }
}

class Decoder final : public CsvDecoder {
  public:
    // `columns`: which column each field of a line goes to; kIgnored for those nobody wants.
    static constexpr std::size_t kIgnored = ~std::size_t{0};

    Decoder(data::SchemaPtr schema, CompiledRules rules, Dialect dialect,
            std::vector<std::size_t> columns)
        : schema_(std::move(schema)),
          rules_(std::move(rules)),
          dialect_(dialect),
          columns_(std::move(columns)) {}

    [[nodiscard]] const data::SchemaPtr& schema() const override { return schema_; }

    Result<std::size_t> decode(std::span<const RawRecord> records, data::BatchBuilder& into,
                               BadRecords& bad) override {
        std::size_t used = 0;
        for (; used < records.size() && !into.is_full(); ++used) {
            const RawRecord& record = records[used];
            const Written written = decode_record(record.payload, into);
            if (written && !*written) {
                into.end_row(record.position);
                continue;
            }
            into.undo_row();
            if (!written) {
                // What was decoded before it stands; the next call fails if it fails again.
                if (written.error().code == Code::kResourceExhausted && used > 0) return used;
                return std::unexpected(written.error());
            }
            const DecodeError& error = **written;
            MILLRACE_TRY(bad.on_bad_record(record, error.code, error.message, error.field));
        }
        return used;
    }

  private:
    Written decode_record(std::string_view payload, data::BatchBuilder& row) {
        if (payload.data() == nullptr) {
            return DecodeError{"null_record", "The record has no value.", {}};
        }
        if (payload.empty()) {
            return DecodeError{"empty_record", "The record's value has no bytes.", {}};
        }
        FieldCutter cutter(padded_.of(payload), dialect_);
        for (std::size_t i = 0; i < columns_.size(); ++i) {
            if (cutter.is_done()) {
                return kBadCount;
            }
            std::string_view field;
            if (!cutter.next(field, scratch_)) {
                return kBadQuotes;
            }
            if (columns_[i] == kIgnored || field.empty()) {
                continue;
            }
            const data::Field& wanted = schema_->fields()[columns_[i]];
            MILLRACE_TRY_ASSIGN(auto error, write_field(row, columns_[i], wanted.type.kind, field));
            if (error) {
                error->field = wanted.name;
                return error;
            }
        }
        return cutter.is_done() ? rules_.check(row) : kBadCount;
    }

    const data::SchemaPtr schema_;
    const CompiledRules rules_;
    const Dialect dialect_;
    const std::vector<std::size_t> columns_;
    PaddedRecord padded_;
    std::string scratch_;
};

// The column of each field that the header names.
Result<std::vector<std::size_t>> columns_of(std::string_view header, const data::Schema& schema,
                                            CsvDecoder::Dialect dialect) {
    std::vector<std::size_t> columns;
    std::vector<std::string> names;
    // Programs of Windows begin a UTF-8 file with this mark; it is no part of the first name.
    constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
    if (header.starts_with(kByteOrderMark)) header.remove_prefix(kByteOrderMark.size());
    FieldCutter cutter(header, dialect);
    while (!cutter.is_done()) {
        std::string_view name;
        std::string scratch;
        if (!cutter.next(name, scratch)) {
            return fail(Code::kInvalidArgument, "the header line has a quote in the wrong place");
        }
        if (std::ranges::find(names, name) != names.end()) {
            return fail(Code::kInvalidArgument, "the header line names a field twice: `{}`", name);
        }
        names.emplace_back(name);
        columns.push_back(schema.index_of(name).value_or(Decoder::kIgnored));
    }
    if (std::ranges::all_of(columns, [](std::size_t c) { return c == Decoder::kIgnored; })) {
        return fail(Code::kInvalidArgument,
                    "the header line names no field of the schema: {}. Hint: set `header: false` "
                    "when the first line is data",
                    schema.to_string());
    }
    return columns;
}

}  // namespace

Result<std::unique_ptr<CsvDecoder>> CsvDecoder::make(data::SchemaPtr schema,
                                                     const DecodeRules& rules, Dialect dialect,
                                                     std::optional<std::string_view> header) {
    for (const data::Field& field : schema->fields()) {
        if (field.type.kind == Kind::kList || field.type.kind == Kind::kFeatures) {
            return fail(Code::kInvalidArgument,
                        "formats `csv` and `tsv` cannot hold {}: field `{}`",
                        data::to_string(field.type), field.name);
        }
    }
    MILLRACE_TRY_ASSIGN(CompiledRules compiled, CompiledRules::compile(*schema, rules));
    std::vector<std::size_t> columns;
    if (header) {
        MILLRACE_TRY_ASSIGN(columns, columns_of(*header, *schema, dialect));
    } else {
        for (std::size_t i = 0; i < schema->size(); ++i) columns.push_back(i);
    }
    return std::make_unique<Decoder>(std::move(schema), std::move(compiled), dialect,
                                     std::move(columns));
}

}  // namespace millrace::operators
