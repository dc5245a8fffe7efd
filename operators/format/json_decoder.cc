#include "operators/format/json_decoder.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "operators/format/comma_scan.h"
#include "operators/format/field_index.h"
#include "operators/format/json_general.h"
#include "operators/format/json_shape.h"
#include "operators/format/padded_record.h"

namespace millrace::operators {
namespace {

// The shapes of recent records, the last one first, and how to match a record with them.
class ShapeCache {
  public:
    explicit ShapeCache(const CompiledRules& rules)
        : rules_(rules), separators_(1 + JsonShape::kFieldsMax + kScanSlack) {}

    // True when the record was read into the open row; nothing is written otherwise.
    bool read(std::string_view record, data::BatchBuilder& builder) {
        for (std::size_t i = 0; i < shapes_.size(); ++i) {
            if (!shapes_[i]->shape.may_match(record) || !find_fields(record, shapes_[i]->shape)) {
                continue;
            }
            const auto match = shapes_[i]->shape.match(record, separators_.data(), builder, rules_);
            if (match == JsonShape::Match::kNo) {
                builder.undo_row();
                continue;
            }
            std::rotate(shapes_.begin(), shapes_.begin() + static_cast<std::ptrdiff_t>(i),
                        shapes_.begin() + static_cast<std::ptrdiff_t>(i) + 1);
            mark(match, builder);
            return true;
        }
        return false;
    }

    // Marks the values of the run of rows that ends here as present. To be called before anything
    // else happens to the builder.
    void close_run(data::BatchBuilder& builder) {
        if (run_ == nullptr) {
            return;
        }
        for (const std::uint32_t column : run_->columns()) {
            builder.mark_present(column, run_first_, builder.rows() - run_first_);
        }
        run_ = nullptr;
    }

    // Notes a good record that no shape matched. True when its shape was learned.
    bool learn(std::string_view record, std::uint64_t hash, const data::Schema& schema,
               const FieldIndex& index) {
        const bool repeats = hash == last_hash_;
        last_hash_ = hash;
        auto known = std::ranges::find(shapes_, hash, [](const auto& kept) { return kept->hash; });
        if (known != shapes_.end() && ++(*known)->refused < kRefusedMax) {
            return false;
        }
        if (!repeats || hash == unlearnable_hash_) {
            return false;
        }
        auto shape = JsonShape::learn(record, schema, index, rules_);
        if (!shape) {
            unlearnable_hash_ = hash;
            return false;
        }
        if (known != shapes_.end()) {
            shapes_.erase(known);
        } else if (shapes_.size() == JsonDecoder::kShapesMax) {
            shapes_.pop_back();
        }
        shapes_.insert(shapes_.begin(), std::make_unique<Kept>(*std::move(shape), hash));
        return true;
    }

  private:
    // A shape whose records were refused so often (other white space, escapes) is learned anew.
    static constexpr std::uint32_t kRefusedMax = 64;

    struct Kept {
        Kept(JsonShape shape_to_keep, std::uint64_t hash_of_fields)
            : shape(std::move(shape_to_keep)), hash(hash_of_fields) {}

        JsonShape shape;
        std::uint64_t hash;
        std::uint32_t refused = 0;
    };

    // Fills separators_; false when the record has not the shape's number of fields.
    bool find_fields(std::string_view record, JsonShape& shape) {
        const std::size_t commas = shape.fields() - 1;
        std::uint32_t* const positions = separators_.data() + 1;
        if (!shape.has_inner_commas()) {
            const std::size_t all = find_commas(record.data(), record.size(), commas, positions);
            if (all <= commas) {
                return all == commas;
            }
        }
        const std::size_t outer =
            find_outer_commas(record.data(), record.size(), commas, positions);
        shape.set_inner_commas(outer == commas);
        return outer == commas;
    }

    void mark(JsonShape::Match match, data::BatchBuilder& builder) {
        const JsonShape& shape = shapes_.front()->shape;
        if (match == JsonShape::Match::kAll) {
            if (run_ != &shape) {
                close_run(builder);
                run_ = &shape;
                run_first_ = builder.rows();
            }
            return;
        }
        close_run(builder);
        for (const std::uint32_t column : shape.columns()) {
            if (std::ranges::find(shape.nulls(), column) == shape.nulls().end()) {
                builder.mark_present(column);
            }
        }
    }

    const CompiledRules& rules_;
    std::vector<std::uint32_t> separators_;
    std::vector<std::unique_ptr<Kept>> shapes_;
    const JsonShape* run_ = nullptr;  // Rows from run_first_ on have it and are not yet marked.
    std::size_t run_first_ = 0;
    std::uint64_t last_hash_ = 0;
    std::uint64_t unlearnable_hash_ = 0;
};

class Decoder final : public JsonDecoder {
  public:
    Decoder(data::SchemaPtr schema, CompiledRules rules, Shapes shapes)
        : schema_(std::move(schema)),
          rules_(std::move(rules)),
          index_(*schema_),
          predicts_(shapes == Shapes::kPredict),
          general_(schema_, rules_),
          shapes_(rules_) {}

    [[nodiscard]] const data::SchemaPtr& schema() const override { return schema_; }
    [[nodiscard]] Counts counts() const override { return counts_; }

    Result<std::size_t> decode(std::span<const RawRecord> records, data::BatchBuilder& into,
                               BadRecords& bad) override {
        std::size_t used = 0;
        for (; used < records.size() && !into.is_full(); ++used) {
            const RawRecord& record = records[used];
            if (!record.payload.empty()) [[likely]] {
                const std::string_view payload = padded_.of(record.payload);
                if (predicts_ && shapes_.read(payload, into)) {
                    into.end_row(record.position);
                    ++counts_.predicted;
                    continue;
                }
                shapes_.close_run(into);
                const Status decoded = decode_generally(payload, record, into, bad);
                if (!decoded) {
                    // What was decoded before it stands; the next call fails if it fails again.
                    const bool may_wait =
                        decoded.error().code == Code::kResourceExhausted && used > 0;
                    if (may_wait) return used;
                    return std::unexpected(decoded.error());
                }
                continue;
            }
            shapes_.close_run(into);
            MILLRACE_TRY(
                record.payload.data() == nullptr
                    ? bad.on_bad_record(record, "null_record", "The record has no value.", {})
                    : bad.on_bad_record(record, "empty_record", "The record's value has no bytes.",
                                        {}));
        }
        shapes_.close_run(into);
        return used;
    }

  private:
    Status decode_generally(std::string_view payload, const RawRecord& record,
                            data::BatchBuilder& into, BadRecords& bad) {
        DecodeError error;
        const Result<bool> parsed = general_.parse(payload, into, error);
        if (!parsed || !*parsed) {
            into.undo_row();
            MILLRACE_TRY(parsed);
            return bad.on_bad_record(record, error.code, error.message, error.field);
        }
        into.end_row(record.position);
        ++counts_.general;
        if (predicts_ && shapes_.learn(payload, general_.shape_hash(), *schema_, index_)) {
            ++counts_.learned;
        }
        return {};
    }

    const data::SchemaPtr schema_;
    const CompiledRules rules_;
    const FieldIndex index_;
    const bool predicts_;
    PaddedRecord padded_;
    JsonGeneral general_;
    ShapeCache shapes_;
    Counts counts_;
};

}  // namespace

Result<std::unique_ptr<JsonDecoder>> JsonDecoder::make(data::SchemaPtr schema,
                                                       const DecodeRules& rules, Shapes shapes) {
    for (const data::Field& field : schema->fields()) {
        if (field.type.kind == data::Kind::kFeatures) {
            return fail(Code::kInvalidArgument, "format `json` cannot hold features: field `{}`",
                        field.name);
        }
    }
    MILLRACE_TRY_ASSIGN(CompiledRules compiled, CompiledRules::compile(*schema, rules));
    return std::make_unique<Decoder>(std::move(schema), std::move(compiled), shapes);
}

}  // namespace millrace::operators
