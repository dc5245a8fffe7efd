#include "operators/filter_operator.h"

#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "operator_world.h"
#include "operators/expression/compiler.h"
#include "proto/job.pb.h"
#include "tests/support/heap_count.h"

namespace millrace::operators {
namespace {

using test::CollectingOutput;
using test::OperatorWorld;
using test::text_batch;
using test::text_schema;

// A job of one step that filters text fields a and b.
struct FilterWorld {
    explicit FilterWorld(const std::string& where) {
        job.add_steps()->mutable_filter()->set_where(where);
        inputs.push_back(text_schema({"a", "b"}));
    }
    [[nodiscard]] OperatorRequest request() const {
        return {.job = job, .role = Role::kStep, .declared = 0, .inputs = inputs};
    }
    // The step, opened.
    std::unique_ptr<Operator> open() {
        auto made = FilterOperator::spec().make(request(), world.context().resources);
        REQUIRE(made.has_value());
        REQUIRE((*made)->open(world.context()));
        return *std::move(made);
    }
    data::BatchPtr batch(const std::vector<std::vector<std::string>>& rows) {
        return text_batch(world, inputs[0], rows);
    }

    proto::Job job;
    std::vector<data::SchemaPtr> inputs;
    SystemClock clock;
    OperatorWorld world{clock};
};

Progress process(Operator& step, const data::BatchPtr& batch, Output& output) {
    const auto progress = dynamic_cast<Step&>(step).process(batch, 0, output);
    REQUIRE(progress.has_value());
    return *progress;
}

TEST_CASE("A filter keeps the rows whose condition is true, with their positions",
          "[operators][filter_operator]") {
    FilterWorld world(R"(b == "x")");
    const auto step = world.open();
    CollectingOutput output;
    const auto batch = world.batch({{"one", "x"}, {"two", "y"}, {"three", "null"}, {"four", "x"}});
    REQUIRE(process(*step, batch, output) == Progress::kDone);
    REQUIRE(output.batches.size() == 1);
    REQUIRE(output.rows() == std::vector<std::string>{"7:0:one", "7:3:four"});
    REQUIRE(output.batches[0]->schema() == world.inputs[0]);
    step->close();
}

TEST_CASE("A filter that keeps all rows passes the batch itself on",
          "[operators][filter_operator]") {
    FilterWorld world("a is not null");
    const auto step = world.open();
    CollectingOutput output;
    const auto batch = world.batch({{"one", "x"}, {"two", "null"}});
    const std::uint64_t allocations = millrace::test::heap_allocations();
    output.batches.reserve(1);
    (void)process(*step, batch, output);
    REQUIRE(millrace::test::heap_allocations() == allocations + 1);  // The reserve().
    REQUIRE(output.batches.size() == 1);
    REQUIRE(output.batches[0].get() == batch.get());
    step->close();
}

TEST_CASE("A filter that keeps no row emits nothing", "[operators][filter_operator]") {
    FilterWorld world(R"(a == "three")");
    const auto step = world.open();
    CollectingOutput output;
    (void)process(*step, world.batch({{"one", "x"}, {"null", "y"}}), output);
    REQUIRE(output.batches.empty());
    step->close();
}

TEST_CASE("A filter keeps the right ones of 1024 rows", "[operators][filter_operator]") {
    FilterWorld world(R"(b == "x")");
    const auto step = world.open();
    std::vector<std::vector<std::string>> rows;
    std::vector<std::string> expected;
    for (std::size_t row = 0; row < data::kRowsMax; ++row) {
        const bool keeps = row % 3 == 0 || row == data::kRowsMax - 2;
        rows.push_back({std::to_string(row), keeps ? "x" : row % 2 == 0 ? "y" : "null"});
        if (keeps) expected.push_back(fmt::format("7:{}:{}", row, row));
    }
    CollectingOutput output;
    (void)process(*step, world.batch(rows), output);
    REQUIRE(output.rows() == expected);
    step->close();
}

TEST_CASE("A filter gives its memory back when it closes", "[operators][filter_operator]") {
    FilterWorld world("a == b");
    const auto step = world.open();
    REQUIRE(world.world.memory.slot().bytes_in_use() > 0);
    step->close();
    REQUIRE(world.world.memory.slot().bytes_in_use() == 0);
}

TEST_CASE("A filter emits the fields of its input", "[operators][filter_operator]") {
    const FilterWorld world("a == b");
    const auto schemas = FilterOperator::spec().schemas(world.request());
    REQUIRE(schemas.has_value());
    REQUIRE(schemas->main == world.inputs[0]);
    REQUIRE(schemas->side == nullptr);
}

TEST_CASE("A filter is refused a condition that is none", "[operators][filter_operator]") {
    const auto refusal = [](const std::string& where) {
        const FilterWorld world(where);
        const auto schemas = FilterOperator::spec().schemas(world.request());
        REQUIRE_FALSE(schemas.has_value());
        REQUIRE(schemas.error().code == Code::kInvalidArgument);
        return schemas.error().message;
    };
    REQUIRE(refusal("a") == "where must be bool, but is string. Hint: compare it with something");
    REQUIRE(refusal("1 + 2") ==
            "where must be bool, but is int64. Hint: compare it with something");
    REQUIRE(refusal("c == 1") ==
            "where, column 1: there is no field \"c\". Hint: the fields are: a, b");
    REQUIRE(refusal("") ==
            "where, column 1: the expression is empty. "
            "Hint: write a condition or a value: bid > 0");
}

TEST_CASE("A filter says so when the slot has no memory for it", "[operators][filter_operator]") {
    FilterWorld world("a == b");
    auto program = compile_expression_of("where", "a == b", *world.inputs[0]);
    REQUIRE(program.has_value());
    FilterOperator filter(*std::move(program));
    auto& slot = world.world.memory.slot();
    std::vector<memory::Segment> taken;
    while (auto segment = slot.allocate(world.world.memory.owner(), slot.page_bytes()))
        taken.push_back(*std::move(segment));
    const Status opened = filter.open(world.world.context());
    REQUIRE_FALSE(opened.has_value());
    REQUIRE(opened.error().code == Code::kResourceExhausted);
}

}  // namespace
}  // namespace millrace::operators
