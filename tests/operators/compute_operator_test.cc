#include "operators/compute_operator.h"

#include <string>
#include <utility>
#include <vector>

#include <catch2/catch.hpp>

#include "operator_world.h"
#include "proto/job.pb.h"
#include "tests/data/random_batch.h"

namespace millrace::operators {
namespace {

using data::Kind;
using millrace::test::RowTexts;
using millrace::test::text_of;
using test::CollectingOutput;
using test::OperatorWorld;

using Assignments = std::vector<std::pair<std::string, std::string>>;

// A job of one step that computes from n (int32), x (float64), t (text), tags (list<string>).
struct ComputeWorld {
    explicit ComputeWorld(const Assignments& assignments) {
        auto* compute = job.add_steps()->mutable_compute();
        for (const auto& [name, expression] : assignments) {
            auto* entry = compute->add_set();
            entry->set_name(name);
            entry->set_expression(expression);
        }
        inputs.push_back(*data::Schema::make({{"n", {Kind::kInt32}},
                                              {"x", {Kind::kFloat64}},
                                              {"t", {Kind::kString}},
                                              {"tags", {Kind::kList, Kind::kString}}}));
    }
    [[nodiscard]] OperatorRequest request() const {
        return {.job = job, .role = Role::kStep, .declared = 0, .inputs = inputs};
    }
    // Rows n = 3, 4, ...; every third row has nulls but for n.
    data::BatchPtr batch(std::size_t rows) {
        data::BatchBuilder builder(inputs[0], world.memory.batches());
        REQUIRE(builder.begin());
        for (std::size_t row = 0; row < rows; ++row) {
            builder.set_int32(0, static_cast<std::int32_t>(row + 3));
            if (row % 3 != 2) {
                builder.set_float64(1, static_cast<double>(row) / 2);
                REQUIRE(builder.set_text(2, row % 2 == 0 ? "ab" : ""));
                builder.begin_list(3);
                REQUIRE(builder.append_element(3, std::string_view("q")));
            }
            builder.end_row({.split = 1, .ordinal = static_cast<std::int64_t>(row)});
        }
        return builder.finish();
    }
    data::BatchPtr compute(const data::BatchPtr& batch) {
        auto made = ComputeOperator::spec().make(request(), world.context().resources);
        REQUIRE(made.has_value());
        REQUIRE((*made)->open(world.context()));
        CollectingOutput output;
        const auto progress = dynamic_cast<Step&>(**made).process(batch, 0, output);
        REQUIRE(progress.has_value());
        REQUIRE(*progress == Progress::kDone);
        REQUIRE(output.batches.size() == 1);
        (*made)->close();
        return output.batches[0];
    }
    std::string refusal() {
        const auto schemas = ComputeOperator::spec().schemas(request());
        REQUIRE_FALSE(schemas.has_value());
        REQUIRE(schemas.error().code == Code::kInvalidArgument);
        return schemas.error().message;
    }

    proto::Job job;
    std::vector<data::SchemaPtr> inputs;
    SystemClock clock;
    OperatorWorld world{clock};
};

TEST_CASE("Computed fields come behind those of the input, in their order",
          "[operators][compute_operator]") {
    const ComputeWorld world({{"double", "n * 2"},
                              {"half", "x / 2"},
                              {"known", "t is not null"},
                              {"word", "coalesce(t, \"none\")"},
                              {"m", "n"},
                              {"labels", "tags"}});
    const auto schemas = ComputeOperator::spec().schemas(world.request());
    REQUIRE(schemas.has_value());
    REQUIRE(schemas->main->to_string() ==
            "n: int32, x: float64, t: string, tags: list<string>, double: int64, half: float64, "
            "known: bool, word: string, m: int32, labels: list<string>");
}

TEST_CASE("Computed fields have a value for each row, and null where there is none",
          "[operators][compute_operator]") {
    ComputeWorld world({{"rest", "10 / (n - 4)"},
                        {"half", "x / 2"},
                        {"small", "x < 0.25"},
                        {"word", "coalesce(t, \"none\")"},
                        {"same", "coalesce(t, null)"}});
    const auto batch = world.compute(world.batch(3));
    // Texts stand as hexadecimal bytes, floats as the bits of IEEE 754: 0.5 is 3fe0..., 0.25
    // 3fd0...
    REQUIRE(text_of(*batch) ==
            RowTexts{"@1/0/0 3 0000000000000000 '6162' ['71' ] -10 0000000000000000 true '6162' "
                     "'6162'",
                     "@1/1/0 4 3fe0000000000000 '' ['71' ] null 3fd0000000000000 false '' ''",
                     "@1/2/0 5 null null null 10 null null '6e6f6e65' null"});
}

TEST_CASE("A null row of a computed field has the value zero", "[operators][compute_operator]") {
    ComputeWorld world({{"rest", "10 / (n - 4)"},
                        {"large", "n * 4000000000000000000"},
                        {"next", "x + 1"},
                        {"small", "x < 9"},
                        {"word", "coalesce(t, t)"}});
    const auto batch = world.compute(world.batch(3));
    REQUIRE(batch->column(4).as<std::int64_t>()[1] == 0);
    REQUIRE(batch->column(5).is_null(0));
    REQUIRE(batch->column(5).as<std::int64_t>()[0] == 0);
    REQUIRE(batch->column(6).as<double>()[2] == 0.0);
    REQUIRE_FALSE(batch->column(7).bool_at(2));
    REQUIRE(batch->column(8).text_at(2).empty());
}

TEST_CASE("A computed field without nulls has no bitmap", "[operators][compute_operator]") {
    ComputeWorld world({{"next", "n + 1"}, {"word", "coalesce(t, \"none\")"}});
    const auto batch = world.compute(world.batch(data::kRowsMax));
    REQUIRE(batch->rows() == data::kRowsMax);
    REQUIRE(batch->column(4).validity == nullptr);
    REQUIRE(batch->column(4).as<std::int64_t>()[data::kRowsMax - 1] == 1027);
    REQUIRE(batch->column(5).validity == nullptr);
}

TEST_CASE("Fields of the input, and new names for them, are borrowed",
          "[operators][compute_operator]") {
    ComputeWorld world({{"labels", "tags"}, {"next", "n + 1"}, {"m", "n"}});
    const auto input = world.batch(5);
    const auto batch = world.compute(input);
    for (std::size_t column = 0; column < 4; ++column)
        REQUIRE(batch->column(column).values == input->column(column).values);
    REQUIRE(batch->column(4).values == input->column(3).values);
    REQUIRE(batch->column(6).values == input->column(0).values);
    REQUIRE(batch->positions().ordinal == input->positions().ordinal);
}

TEST_CASE("Computing gives its memory back", "[operators][compute_operator]") {
    ComputeWorld world({{"next", "n + 1"}, {"word", "coalesce(t, \"none\")"}});
    {
        (void)world.compute(world.batch(100));
    }
    REQUIRE(world.world.memory.slot().bytes_in_use() == 0);
}

TEST_CASE("A computed field may not have the name of another", "[operators][compute_operator]") {
    REQUIRE(ComputeWorld(Assignments{{"t", "n + 1"}}).refusal() ==
            "the input has this field already: t. Hint: choose a new name");
    REQUIRE_FALSE(ComputeWorld(Assignments{{"a", "n"}, {"a", "x"}}).refusal().empty());
}

TEST_CASE("Computed fields do not see each other", "[operators][compute_operator]") {
    REQUIRE(ComputeWorld(Assignments{{"a", "n + 1"}, {"b", "a + 1"}}).refusal() ==
            "set.b, column 1: there is no field \"a\". "
            "Hint: the fields are: n, x, t, tags");
}

}  // namespace
}  // namespace millrace::operators
