// The learners on real files, against figures that other programs reached on them.

#include <array>
#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "ml/builtin_learners.h"
#include "ml/feature_compiler.h"
#include "ml/metrics.h"
#include "tests/ml/model_fixture.h"
#include "tests/support/data_files.h"

namespace millrace::ml {
namespace {

using millrace::testing::data_lines;
using millrace::testing::split;

float number(const std::string& text) { return std::strtof(text.c_str(), nullptr); }

// Reads Vowpal Wabbit's text: "label [importance [tag]]|space name[:value] ... |space ...". Each
// name gets a slot of its own, and every row the feature "constant", regularised as there.
class VowpalRows {
  public:
    void add(const std::vector<std::string>& lines, RowList& rows) {
        for (const std::string& line : lines) {
            if (!line.empty()) add_line(line, rows);
        }
    }

  private:
    void add_line(const std::string& line, RowList& rows) {
        const std::vector<std::string> parts = split(line, '|');
        std::vector<RowList::Entry> entries;
        for (std::size_t i = 1; i < parts.size(); ++i) {
            const std::vector<std::string> words = split(parts[i], ' ');
            for (std::size_t w = 1; w < words.size(); ++w) {
                if (words[w].empty()) continue;
                const std::vector<std::string> pair = split(words[w], ':');
                entries.push_back({.slot = slot(words[0] + "^" + pair[0]),
                                   .value = pair.size() > 1 ? number(pair[1]) : 1});
            }
        }
        entries.push_back({.slot = slot("constant"), .value = 1});
        rows.add(entries, number(parts[0]));
    }
    std::uint32_t slot(const std::string& name) {
        return slots_.emplace(name, static_cast<std::uint32_t>(slots_.size()) + 1).first->second;
    }
    std::map<std::string, std::uint32_t> slots_;
};

double squared_loss(std::span<const float> scores, std::span<const float> labels,
                    std::size_t rows) {
    double sum = 0;
    for (std::size_t r = 0; r < rows; ++r) {
        const double error = static_cast<double>(scores[r]) - static_cast<double>(labels[r]);
        sum += error * error;
    }
    return sum / static_cast<double>(rows);
}

void check_progress(std::span<const float> scores, const RowList& rows,
                    const std::vector<double>& at_powers_of_two, double at_end) {
    std::size_t count = 1;
    for (const double expected : at_powers_of_two) {
        CAPTURE(count);
        CHECK(squared_loss(scores, rows.labels(), count) == Approx(expected).margin(1.5e-6));
        count *= 2;
    }
    CHECK(squared_loss(scores, rows.labels(), rows.size()) == Approx(at_end).margin(1.5e-6));
}

TEST_CASE("Ftrl reaches Vowpal Wabbit's losses on train_0001", "[ml][ftrl][data]") {
    const auto train = data_lines("train_0001.dat.gz");
    const auto held_out = data_lines("test_0001.dat.gz");
    if (!train || !held_out) return;
    VowpalRows reader;
    RowList rows;
    RowList test_rows;
    reader.add(*train, rows);
    reader.add(*held_out, test_rows);
    REQUIRE(rows.size() == 200);
    ModelFixture model(18);
    const auto learner = Ftrl::create({.alpha = 0.01,
                                       .beta = 0,
                                       .l1 = 2,
                                       .l2 = 0,
                                       .loss = Loss::kSquared,
                                       .clip_to_labels = true})
                             .value();
    const auto scores = trained_scores(*learner, model.table, rows.rows());
    check_progress(scores, rows,
                   {1.000000, .500000, .250000, .250012, .308000, .330613, .334181, .363877},
                   .379717);

    model.table.publish(model.view);
    const auto again = predicted_scores(*learner, model.view, rows.rows());
    const std::array<double, 6> first{.148139, .149886, .146102, .146261, .146004, .150632};
    for (std::size_t i = 0; i < first.size(); ++i) {
        CHECK(again[i] == Approx(first[i]).margin(1.5e-6));
    }
    CHECK(squared_loss(again, rows.labels(), rows.size()) == Approx(.340300).margin(1.5e-6));
    const auto unseen = predicted_scores(*learner, model.view, test_rows.rows());
    CHECK(squared_loss(unseen, test_rows.labels(), test_rows.size()) ==
          Approx(.420429).margin(1.5e-6));
}

TEST_CASE("Ftrl reaches Vowpal Wabbit's losses on 0002_25", "[ml][ftrl][data]") {
    const auto lines = data_lines("0002_25.dat.gz");
    if (!lines) return;
    VowpalRows reader;
    RowList rows;
    reader.add(*lines, rows);
    ModelFixture model(10);
    const auto learner =
        Ftrl::create({.alpha = 0.5, .beta = 1, .loss = Loss::kSquared, .clip_to_labels = true})
            .value();
    check_progress(trained_scores(*learner, model.table, rows.rows()), rows,
                   {.271591, .135796, .067898, .046760, .066996}, .059771);
}

// Criteo's columns as Arrow arrays.
class CriteoColumns {
  public:
    explicit CriteoColumns(const std::vector<std::string>& lines) : rows_(lines.size()) {
        for (std::size_t c = 0; c < kNumbers; ++c) numbers_[c].resize(rows_);
        for (auto& validity : validity_) validity.assign((rows_ + 7) / 8, 0);
        for (auto& offsets : offsets_) offsets.push_back(0);
        for (std::size_t r = 0; r < rows_; ++r) add(r, split(lines[r], '\t'));
    }
    // In the order of FeatureCompiler::fields_of(), that is of names.
    [[nodiscard]] std::vector<ColumnView> views(const std::vector<std::string>& fields) const {
        std::vector<ColumnView> views;
        for (const std::string& field : fields) {
            const auto c = static_cast<std::size_t>(std::atoi(field.c_str() + 1)) - 1;
            if (field[0] == 'I') {
                views.push_back({.kind = ColumnKind::kInt64,
                                 .validity = validity_[c].data(),
                                 .values = numbers_[c].data()});
            } else {
                views.push_back({.kind = ColumnKind::kString,
                                 .validity = validity_[kNumbers + c].data(),
                                 .values = bytes_[c].data(),
                                 .offsets = offsets_[c].data()});
            }
        }
        return views;
    }
    [[nodiscard]] const std::vector<float>& labels() const { return labels_; }

  private:
    static constexpr std::size_t kNumbers = 13;
    static constexpr std::size_t kCategories = 26;

    void add(std::size_t row, const std::vector<std::string>& parts) {
        labels_.push_back(number(parts[0]));
        for (std::size_t c = 0; c < kNumbers + kCategories; ++c) {
            const std::string text = c + 1 < parts.size() ? parts[c + 1] : "";
            if (!text.empty()) {
                validity_[c][row / 8] |= static_cast<std::uint8_t>(1U << (row % 8));
            }
            if (c < kNumbers) {
                numbers_[c][row] = std::atoll(text.c_str());
            } else {
                bytes_[c - kNumbers] += text;
                offsets_[c - kNumbers].push_back(
                    static_cast<std::int32_t>(bytes_[c - kNumbers].size()));
            }
        }
    }

    std::size_t rows_;
    std::vector<float> labels_;
    std::array<std::vector<std::int64_t>, kNumbers> numbers_;
    std::array<std::string, kCategories> bytes_;
    std::array<std::vector<std::int32_t>, kCategories> offsets_;
    std::array<std::vector<std::uint8_t>, kNumbers + kCategories> validity_;
};

FeatureSpec criteo_spec() {
    FeatureSpec spec{.bits = 20, .columns = {}};
    for (int c = 1; c <= 13; ++c) {
        spec.columns.push_back({.name = "I" + std::to_string(c),
                                .kind = FeatureKind::kBuckets,
                                .transform = Transform::kLogSquared});
    }
    for (int c = 1; c <= 26; ++c) spec.columns.push_back({.name = "C" + std::to_string(c)});
    return spec;
}

// One pass, each row scored before it is learned.
BinaryMetrics criteo_metrics(const std::vector<std::string>& lines, const LearnerOptions& options) {
    const CriteoColumns columns(lines);
    const FeatureSpec spec = criteo_spec();
    const std::vector<std::string> fields = FeatureCompiler::fields_of(spec);
    std::vector<FieldType> types;
    for (const std::string& field : fields) {
        types.push_back({.kind = field[0] == 'I' ? ColumnKind::kInt64 : ColumnKind::kString});
    }
    const FeatureCompiler compiler = FeatureCompiler::create(spec, types).value();
    const auto views = columns.views(fields);
    const auto count = static_cast<std::uint32_t>(lines.size());
    std::vector<std::int32_t> offsets(count + 1);
    std::vector<std::uint32_t> slots(compiler.entries_max(views, count));
    std::vector<std::uint64_t> scratch(compiler.scratch_words());
    compiler.compile(views, count, {.offsets = offsets, .slots = slots, .values = {}}, scratch);
    const auto learner = make_learner(options).value();
    ModelFixture model(spec.bits, learner->view_lanes());
    const auto scores = trained_scores(*learner, model.table,
                                       {.row_count = count,
                                        .offsets = offsets.data(),
                                        .slots = slots.data(),
                                        .labels = columns.labels().data()});
    BinaryMetrics metrics;
    for (std::uint32_t r = 0; r < count; ++r) {
        metrics.add(static_cast<double>(scores[r]), static_cast<double>(columns.labels()[r]));
    }
    return metrics;
}

TEST_CASE("Ftrl reaches the reference quality on criteo_first40k", "[ml][ftrl][data]") {
    const auto lines = data_lines("criteo_first40k.tsv.gz");
    if (!lines) return;
    REQUIRE(lines->size() == 40000);
    const BinaryMetrics usual = criteo_metrics(*lines, FtrlOptions{.alpha = 0.1, .l2 = 1});
    CAPTURE(*usual.log_loss(), *usual.auc());
    CHECK(*usual.rate() == Approx(0.22375).margin(1e-9));
    CHECK(*usual.entropy() == Approx(0.5316).margin(5e-5));
    CHECK(*usual.log_loss() <= 0.4575);
    CHECK(*usual.auc() >= 0.752);
    const BinaryMetrics best =
        criteo_metrics(*lines, FtrlOptions{.alpha = 0.05, .beta = 0.3, .l2 = 1});
    CAPTURE(*best.log_loss(), *best.auc());
    CHECK(*best.log_loss() <= 0.4563);
}

TEST_CASE("AdPredictor and Sgd come near the reference on criteo_first40k", "[ml][data]") {
    const auto lines = data_lines("criteo_first40k.tsv.gz");
    if (!lines) return;
    const BinaryMetrics bayes =
        criteo_metrics(*lines, AdPredictorOptions{.prior_variance = 0.02, .prior_rate = 0.22});
    CHECK(*bayes.log_loss() == Approx(0.4578).margin(1.5e-3));
    CHECK(*bayes.auc() == Approx(0.7521).margin(3e-3));
    const BinaryMetrics plain = criteo_metrics(*lines, SgdOptions{.rate = 0.02});
    // The reference regularises the constant feature and hashes by CRC-32; ours loses a little
    // less.
    CHECK(*plain.log_loss() <= 0.4714);
    CHECK(*plain.log_loss() >= 0.465);
}

// Scaler, then logistic regression whose constant feature is learnt by plain SGD at .01.
struct PhishingRow {
    std::string what;
    LearnerOptions options;
    double accuracy;
    double log_loss;
    double auc;
};

TEST_CASE("learners with a scaler reach River's table on phishing", "[ml][data]") {
    const auto lines = data_lines("phishing.csv.gz");
    if (!lines) return;
    constexpr std::uint32_t kColumns = 9;
    const std::vector<PhishingRow> table{
        {"sgd .1", SgdOptions{.rate = 0.1, .bias_rate = 0.01}, .8896, .270836, .957748},
        {"sgd .01", SgdOptions{.rate = 0.01, .bias_rate = 0.01}, .8920, .330644, .953270},
        {"adagrad .1", AdaGradOptions{.rate = 0.1, .epsilon = 1e-8, .bias_rate = 0.01}, .8928,
         .284465, .958162},
        {"ftrl", FtrlOptions{.alpha = 0.05, .beta = 1, .l1 = 0, .l2 = 1, .bias_rate = 0.01}, .8920,
         .341345, .953618},
    };
    for (const PhishingRow& expected : table) {
        RowList rows;
        for (std::size_t i = 1; i < lines->size(); ++i) {
            const std::vector<std::string> cells = split((*lines)[i], ',');
            std::vector<RowList::Entry> entries{{.slot = kBiasSlot}};
            for (std::uint32_t c = 0; c < kColumns; ++c) {
                entries.push_back({.slot = c + 1, .value = number(cells[c])});
            }
            rows.add(entries, number(cells[kColumns]));
        }
        REQUIRE(rows.size() == 1250);
        const auto learner = make_learner(expected.options).value();
        ModelFixture model(8, learner->view_lanes(), kColumns);
        const SparseRows raw = rows.rows();
        std::vector<float> scaled(rows.values().size());
        model.table.scaler().learn_and_transform(raw, learner->label_rule(), scaled);
        SparseRows ready = raw;
        ready.values = scaled.data();
        const auto scores = trained_scores(*learner, model.table, ready);
        BinaryMetrics metrics;
        int right = 0;
        for (std::size_t r = 0; r < rows.size(); ++r) {
            metrics.add(static_cast<double>(scores[r]), static_cast<double>(raw.labels[r]));
            right += (scores[r] > 0.5F) == (raw.labels[r] == 1.0F) ? 1 : 0;
        }
        CAPTURE(expected.what);
        CHECK(right / 1250.0 == Approx(expected.accuracy).margin(1e-9));
        CHECK(*metrics.log_loss() == Approx(expected.log_loss).margin(1.5e-6));
        // Theirs is exact; bins of the logit may move it by pairs that share one.
        CHECK(*metrics.auc() == Approx(expected.auc).margin(2e-4));
    }
}

}  // namespace
}  // namespace millrace::ml
