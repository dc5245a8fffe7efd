#include "tests/bench/fused_work.h"

#include <charconv>
#include <cstring>
#include <utility>

#include "ml/builtin_learners.h"
#include "ml/synthetic_ctr.h"
#include "operators/format/json_decoder.h"
#include "operators/kafka/partitioner.h"
#include "runtime/base/check.h"

namespace millrace::bench {
namespace {

constexpr unsigned kBits = 22;
constexpr std::size_t kRows = 1000;
constexpr std::size_t kRecordBytesMax = 256;
constexpr std::size_t kMemoryBytes = std::size_t{128} << 20;
constexpr std::size_t kId = 0;
constexpr std::size_t kTs = 1;
constexpr std::size_t kFirstField = 2;
constexpr std::size_t kLabel = kFirstField + ml::SyntheticCtrStream::kFields;

std::string field_name(std::size_t index) { return "f" + std::to_string(index); }

data::SchemaPtr event_schema() {
    using data::Kind;
    std::vector<data::Field> fields = {{"impression_id", {Kind::kString, {}}},
                                       {"ts", {Kind::kTimestampMs, {}}}};
    for (std::size_t f = 0; f < ml::SyntheticCtrStream::kFields; ++f)
        fields.push_back({field_name(f), {Kind::kInt32, {}}});
    fields.push_back({"label", {Kind::kInt32, {}}});
    return *data::Schema::make(std::move(fields));
}

ml::FeatureCompiler make_features() {
    ml::FeatureSpec spec{.bits = kBits, .columns = {}};
    for (std::size_t f = 0; f < ml::SyntheticCtrStream::kFields; ++f)
        spec.columns.push_back({.name = field_name(f)});
    const std::vector<ml::FieldType> types(spec.columns.size(), {.kind = ml::ColumnKind::kInt32});
    return ml::FeatureCompiler::create(spec, types).value();
}

class NoBadRecords final : public operators::BadRecords {
  public:
    Status on_bad_record(const operators::RawRecord&, std::string_view code, std::string_view,
                         std::string_view) override {
        return fail(Code::kInternal, "a record is bad: {}", code);
    }
};

}  // namespace

FusedWork::FusedWork(int partitions)
    : partitions_(static_cast<std::uint32_t>(partitions)),
      world_(kMemoryBytes),
      decoder_(*operators::JsonDecoder::make(event_schema(), {})),
      builder_(event_schema(), world_.batches()),
      features_(make_features()),
      learner_(ml::make_learner(ml::FtrlOptions{.alpha = 0.2}).value()),
      cells_(world_.slot().allocate_table(world_.owner(), ml::Table::cell_bytes(kBits)).value()),
      dirty_(world_.slot().allocate(world_.owner(), ml::DirtyLines::bytes(kBits)).value()),
      raw_(kRows),
      offsets_(kRows + 1),
      slots_(kRows * (ml::SyntheticCtrStream::kFields + 1)),
      scratch_(features_.scratch_words()),
      labels_(kRows),
      scores_(kRows),
      text_(kRows * kRecordBytesMax),
      messages_(kRows) {
    table_.emplace(kBits,
                   ml::Table::Memory{.cells = {reinterpret_cast<ml::Cell*>(cells_.data()),
                                               std::size_t{1} << kBits},
                                     .dirty = {reinterpret_cast<std::uint64_t*>(dirty_.data()),
                                               ml::DirtyLines::bytes(kBits) / 8}},
                   ml::Table::Content::kUnknown);
    const data::SchemaPtr schema = event_schema();
    for (const std::string& name : features_.fields())
        feature_columns_.push_back(*schema->index_of(name));
}

void FusedWork::operator()(std::span<rd_kafka_message_t* const> read,
                           std::span<rd_kafka_message_t> write) {
    if (read.empty()) return;
    batch_ = decode(read);
    const std::span<const float> scores = learn(*batch_);
    const std::int64_t* ts = batch_->column(kTs).as<std::int64_t>();
    text_end_ = text_.data();
    std::vector<std::size_t> begin(partitions_ + 1);
    for (std::size_t row = 0; row < batch_->rows(); ++row) {
        const std::string_view id = batch_->column(kId).text_at(row);
        const std::string_view record = encode(id, ts[row], scores[row]);
        rd_kafka_message_t& message = messages_[row];
        message.payload = const_cast<char*>(record.data());
        message.len = record.size();
        message.key = const_cast<char*>(id.data());
        message.key_len = id.size();
        const std::uint32_t partition = (operators::murmur2(id) & 0x7fffffffU) % partitions_;
        message.partition = static_cast<std::int32_t>(partition);
        ++begin[partition + 1];
    }
    // By partition, as the job's sink does.
    for (std::size_t p = 1; p <= partitions_; ++p) begin[p] += begin[p - 1];
    for (const rd_kafka_message_t& message : std::span(messages_).first(batch_->rows())) {
        rd_kafka_message_t& to = write[begin[static_cast<std::size_t>(message.partition)]++];
        to = message;
    }
    ++version_;
}

data::BatchPtr FusedWork::decode(std::span<rd_kafka_message_t* const> read) {
    for (std::size_t i = 0; i < read.size(); ++i)
        raw_[i].payload = {static_cast<const char*>(read[i]->payload), read[i]->len};
    MILLRACE_CHECK(builder_.begin().has_value());
    NoBadRecords none;
    const auto used = decoder_->decode(std::span(raw_).first(read.size()), builder_, none);
    MILLRACE_CHECK(used.has_value() && *used == read.size());
    return builder_.finish();
}

std::span<const float> FusedWork::learn(const data::Batch& batch) {
    const auto rows = static_cast<std::uint32_t>(batch.rows());
    std::array<ml::ColumnView, ml::SyntheticCtrStream::kFields> views{};
    for (std::size_t f = 0; f < views.size(); ++f)
        views[f] = {.kind = ml::ColumnKind::kInt32,
                    .values = batch.column(feature_columns_[f]).as<std::int32_t>()};
    features_.compile(views, rows, {.offsets = offsets_, .slots = slots_, .values = {}}, scratch_);
    const std::int32_t* labels = batch.column(kLabel).as<std::int32_t>();
    for (std::size_t row = 0; row < rows; ++row) labels_[row] = static_cast<float>(labels[row]);
    const std::span scores = std::span(scores_).first(rows);
    learner_->train_rows(*table_,
                         {.row_count = rows,
                          .offsets = offsets_.data(),
                          .slots = slots_.data(),
                          .labels = labels_.data()},
                         scores);
    return scores;
}

std::string_view FusedWork::encode(std::string_view id, std::int64_t ts, float score) {
    char* const begin = text_end_;
    const auto put = [&](std::string_view text) {
        std::memcpy(text_end_, text.data(), text.size());
        text_end_ += text.size();
    };
    const auto put_number = [&](auto number) {
        text_end_ = std::to_chars(text_end_, text_end_ + 24, number).ptr;
    };
    put(R"({"impression_id":")");
    put(id);
    put(R"(","ts":)");
    put_number(ts);
    put(R"(,"predictions":{"ctr":{"score":)");
    put_number(score);
    put(R"(,"version":)");
    put_number(version_);
    put("}}}");
    return {begin, static_cast<std::size_t>(text_end_ - begin)};
}

}  // namespace millrace::bench
