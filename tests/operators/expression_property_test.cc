// Random expressions over random batches, against an interpreter that computes one row after the
// other with std::optional and 128-bit integers, and that never sees the text.
#include <cmath>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include "expression_row.h"
#include "runtime/base/random.h"
#include "tests/support/heap_count.h"

namespace millrace::operators {
namespace {

using data::Kind;
using millrace::test::SlotWorld;

// monostate is null. Integers are also timestamps.
using Cell = std::variant<std::monostate, bool, std::int64_t, double, std::string>;
using Cells = std::vector<Cell>;

// An expression as text, and what it is for a row.
struct Drawn {
    std::string text;
    std::function<Cell(const Cells&)> value;
};

bool is_null(const Cell& cell) { return std::holds_alternative<std::monostate>(cell); }

double as_double(const Cell& cell) {
    const auto* integer = std::get_if<std::int64_t>(&cell);
    return integer != nullptr ? static_cast<double>(*integer) : std::get<double>(cell);
}

Cell narrowed(Random::Wide magnitude, bool negative) {
    const auto limit = static_cast<Random::Wide>(std::numeric_limits<std::int64_t>::max());
    if (magnitude > limit + (negative ? 1 : 0)) return {};
    const auto bits = static_cast<std::uint64_t>(magnitude);
    return static_cast<std::int64_t>(negative ? 0 - bits : bits);
}

Cell integer_result(char sign, std::int64_t a, std::int64_t b) {
    __extension__ using Signed = __int128;
    const Signed x = a;
    const Signed y = b;
    if ((sign == '/' || sign == '%') && b == 0) return {};
    const Signed result = sign == '+'   ? x + y
                          : sign == '-' ? x - y
                          : sign == '*' ? x * y
                          : sign == '/' ? x / y
                                        : x % y;
    return narrowed(static_cast<Random::Wide>(result < 0 ? -result : result), result < 0);
}

double float_result(char sign, double a, double b) {
    switch (sign) {
        case '+':
            return a + b;
        case '-':
            return a - b;
        case '*':
            return a * b;
        case '/':
            return a / b;
        default:
            return std::fmod(a, b);
    }
}

template <class T>
bool holds(const std::string& sign, const T& a, const T& b) {
    if (sign == "==") return a == b;
    if (sign == "!=") return a != b;
    if (sign == "<") return a < b;
    if (sign == "<=") return a <= b;
    if (sign == ">") return a > b;
    return a >= b;
}

enum class Sort : std::uint8_t { kBool, kInteger, kFloat, kText };

constexpr Kind kKinds[] = {Kind::kBool,    Kind::kBool,    Kind::kInt32,  Kind::kInt64,
                           Kind::kFloat32, Kind::kFloat64, Kind::kString, Kind::kString};

Sort sort_of(Kind kind) {
    switch (kind) {
        case Kind::kBool:
            return Sort::kBool;
        case Kind::kInt32:
        case Kind::kInt64:
            return Sort::kInteger;
        case Kind::kString:
            return Sort::kText;
        default:
            return Sort::kFloat;
    }
}

// Fields c0... of kKinds.
class Author {
  public:
    explicit Author(Random& random) : random_(random) {}

    Drawn draw(Sort sort, std::size_t depth) {
        if (depth == 0) return draw_leaf(sort);
        switch (random_.below(8)) {
            case 0:
                return draw_leaf(sort);
            case 1:
                return draw_coalesce(sort, depth - 1);
            default:
                break;
        }
        if (sort == Sort::kBool) return draw_condition(depth - 1);
        if (sort == Sort::kText) return draw_leaf(sort);
        return random_.below(6) == 0 ? draw_negation(sort, depth - 1)
                                     : draw_arithmetic(sort, depth - 1);
    }

    Sort draw_sort() { return static_cast<Sort>(random_.below(4)); }

  private:
    Drawn draw_leaf(Sort sort) {
        if (random_.below(3) != 0) return draw_field(sort);
        switch (sort) {
            case Sort::kBool: {
                const bool value = random_.below(2) == 0;
                return {value ? "true" : "false", [=](const Cells&) { return Cell(value); }};
            }
            case Sort::kInteger: {
                constexpr std::int64_t kSome[] = {0,
                                                  1,
                                                  -1,
                                                  2,
                                                  7,
                                                  1000,
                                                  std::numeric_limits<std::int64_t>::max(),
                                                  std::numeric_limits<std::int64_t>::min()};
                const std::int64_t value = kSome[random_.below(std::size(kSome))];
                return {fmt::format("{}", value), [=](const Cells&) { return Cell(value); }};
            }
            case Sort::kFloat: {
                const double value = static_cast<double>(random_.below(17)) / 4 - 2;
                return {fmt::format("{:.2f}", value), [=](const Cells&) { return Cell(value); }};
            }
            default: {
                const std::string value = kTexts[random_.below(std::size(kTexts))];
                std::string text = "\"";
                for (const char c : value)
                    text += c == '"' || c == '\\' ? fmt::format("\\{}", c) : std::string(1, c);
                return {text + "\"", [=](const Cells&) { return Cell(value); }};
            }
        }
    }

    Drawn draw_field(Sort sort) {
        std::size_t column = random_.below(std::size(kKinds));
        while (sort_of(kKinds[column]) != sort) column = (column + 1) % std::size(kKinds);
        return {fmt::format("c{}", column), [=](const Cells& cells) { return cells[column]; }};
    }

    Drawn draw_coalesce(Sort sort, std::size_t depth) {
        const Drawn a = draw(sort, depth);
        const Drawn b = draw(sort, depth);
        return {fmt::format("coalesce({}, null, {})", a.text, b.text), [=](const Cells& cells) {
                    const Cell first = a.value(cells);
                    return is_null(first) ? b.value(cells) : first;
                }};
    }

    Drawn draw_negation(Sort sort, std::size_t depth) {
        const Drawn a = draw(sort, depth);
        return {fmt::format("-({})", a.text), [=](const Cells& cells) -> Cell {
                    const Cell value = a.value(cells);
                    if (is_null(value)) return {};
                    if (sort == Sort::kFloat) return -std::get<double>(value);
                    return integer_result('-', 0, std::get<std::int64_t>(value));
                }};
    }

    // Of floats, one side may be an integer.
    Drawn draw_arithmetic(Sort sort, std::size_t depth) {
        const bool mixes = sort == Sort::kFloat && random_.below(3) == 0;
        const bool swaps = random_.below(2) == 0;
        const Drawn a = draw(mixes && swaps ? Sort::kInteger : sort, depth);
        const Drawn b = draw(mixes && !swaps ? Sort::kInteger : sort, depth);
        const char sign = "+-*/%"[random_.below(5)];
        return {fmt::format("({} {} {})", a.text, sign, b.text), [=](const Cells& cells) -> Cell {
                    const Cell x = a.value(cells);
                    const Cell y = b.value(cells);
                    if (is_null(x) || is_null(y)) return {};
                    if (sort == Sort::kFloat) return float_result(sign, as_double(x), as_double(y));
                    return integer_result(sign, std::get<std::int64_t>(x),
                                          std::get<std::int64_t>(y));
                }};
    }

    Drawn draw_condition(std::size_t depth) {
        switch (random_.below(5)) {
            case 0:
                return draw_null_question(depth);
            case 1:
            case 2:
                return draw_logic(depth);
            default:
                return draw_comparison(depth);
        }
    }

    Drawn draw_null_question(std::size_t depth) {
        const Drawn a = draw(draw_sort(), depth);
        const bool negated = random_.below(2) == 0;
        return {fmt::format("({} is {}null)", a.text, negated ? "not " : ""),
                [=](const Cells& cells) { return Cell(is_null(a.value(cells)) != negated); }};
    }

    // By the definition: false decides an `and`, true an `or`; else null does.
    Drawn draw_logic(std::size_t depth) {
        const Drawn a = draw(Sort::kBool, depth);
        if (random_.below(4) == 0)
            return {fmt::format("(not {})", a.text), [=](const Cells& cells) -> Cell {
                        const Cell x = a.value(cells);
                        if (is_null(x)) return {};
                        return !std::get<bool>(x);
                    }};
        const Drawn b = draw(Sort::kBool, depth);
        const bool is_or = random_.below(2) == 0;
        return {fmt::format("({} {} {})", a.text, is_or ? "or" : "and", b.text),
                [=](const Cells& cells) -> Cell {
                    const Cell x = a.value(cells);
                    const Cell y = b.value(cells);
                    if (x == Cell(is_or) || y == Cell(is_or)) return is_or;
                    if (is_null(x) || is_null(y)) return {};
                    return !is_or;
                }};
    }

    Drawn draw_comparison(std::size_t depth) {
        const Sort sort = draw_sort();
        const bool has_order = sort == Sort::kInteger || sort == Sort::kFloat;
        const bool mixes = has_order && random_.below(3) == 0;
        const Drawn a = draw(sort, depth);
        const Drawn b = draw(mixes ? Sort::kFloat : sort, depth);
        const char* const signs[] = {"==", "!=", "<", "<=", ">", ">="};
        const std::string sign = signs[random_.below(has_order ? 6 : 2)];
        return {fmt::format("({} {} {})", a.text, sign, b.text), [=](const Cells& cells) -> Cell {
                    const Cell x = a.value(cells);
                    const Cell y = b.value(cells);
                    if (is_null(x) || is_null(y)) return {};
                    if (sort == Sort::kText)
                        return holds(sign, std::get<std::string>(x), std::get<std::string>(y));
                    if (sort == Sort::kBool)
                        return holds(sign, std::get<bool>(x), std::get<bool>(y));
                    if (sort == Sort::kFloat || mixes)
                        return holds(sign, as_double(x), as_double(y));
                    return holds(sign, std::get<std::int64_t>(x), std::get<std::int64_t>(y));
                }};
    }

    static constexpr const char* kTexts[] = {"", "bot", "a\"b", "x\\y",
                                             "longer than sixteen bytes"};

    Random& random_;
};

std::string printed(const Cell& cell) {
    struct Printer {
        std::string operator()(std::monostate) const { return "null"; }
        std::string operator()(bool value) const { return value ? "true" : "false"; }
        std::string operator()(std::int64_t value) const { return fmt::format("{}", value); }
        std::string operator()(double value) const {
            return std::isnan(value) ? "nan" : fmt::format("{}", value);
        }
        std::string operator()(const std::string& value) const {
            return fmt::format("'{}'", value);
        }
    };
    return std::visit(Printer(), cell);
}

struct Table {
    data::BatchPtr batch;
    std::vector<Cells> rows;
};

data::SchemaPtr table_schema() {
    std::vector<data::Field> fields;
    for (const Kind kind : kKinds) fields.push_back({fmt::format("c{}", fields.size()), {kind}});
    return *data::Schema::make(std::move(fields));
}

Cell draw_cell(Random& random, data::BatchBuilder& builder, std::size_t column) {
    // Half of the integers are small, so that they meet.
    const std::uint64_t bits = random.below(2) == 0 ? random.below(7) - 3 : random.next();
    switch (kKinds[column]) {
        case Kind::kBool:
            builder.set_bool(column, (bits & 1) != 0);
            return (bits & 1) != 0;
        case Kind::kInt32:
            builder.set_int32(column, static_cast<std::int32_t>(bits));
            return std::int64_t{static_cast<std::int32_t>(bits)};
        case Kind::kInt64:
            builder.set_int64(column, static_cast<std::int64_t>(bits));
            return static_cast<std::int64_t>(bits);
        case Kind::kFloat32: {
            const auto value = static_cast<float>(random.unit() * 8 - 4);
            builder.set_float32(column, value);
            return double{value};
        }
        case Kind::kFloat64: {
            const double value = static_cast<double>(random.below(17)) / 4 - 2;
            builder.set_float64(column, value);
            return value;
        }
        default: {
            std::string value(random.below(4), 'a');
            if (random.below(4) == 0) value = "bot";
            REQUIRE(builder.set_text(column, value));
            return value;
        }
    }
}

// `nulls` of 100 cells are null.
Table draw_table(Random& random, std::size_t rows, std::uint64_t nulls, SlotWorld& world) {
    data::BatchBuilder builder(table_schema(), world.batches());
    REQUIRE(builder.begin());
    Table table;
    for (std::size_t row = 0; row < rows; ++row) {
        Cells cells(std::size(kKinds));
        for (std::size_t column = 0; column < cells.size(); ++column)
            if (random.below(100) >= nulls) cells[column] = draw_cell(random, builder, column);
        builder.end_row({});
        table.rows.push_back(std::move(cells));
    }
    table.batch = builder.finish();
    return table;
}

void require_same(const Drawn& drawn, const Table& table, ExpressionEvaluator& evaluator) {
    const ExpressionValues values = evaluator.evaluate(*table.batch);
    for (std::size_t row = 0; row < table.rows.size(); ++row) {
        std::string found = test::printed(evaluator.program(), values, row);
        if (found == "-nan") found = "nan";
        const std::string expected = printed(drawn.value(table.rows[row]));
        if (found == expected) continue;
        CAPTURE(row);
        REQUIRE(found == expected);
    }
}

TEST_CASE("An expression gives for each row of a batch what it gives for that row alone",
          "[operators][expression]") {
    SlotWorld world;
    const auto schema = table_schema();
    for (std::uint64_t seed = 0; seed < 400; ++seed) {
        CAPTURE(seed);
        Random random(seed);
        Author author(random);
        const Drawn drawn = author.draw(author.draw_sort(), 1 + random.below(5));
        CAPTURE(drawn.text);
        auto compiled = compile_expression(drawn.text, test::fields_of(*schema));
        if (drawn.text.size() > 4096) continue;
        REQUIRE(compiled.faults.empty());
        ExpressionEvaluator evaluator(*std::move(compiled.program));
        REQUIRE(evaluator.open(world.slot(), world.owner()));
        // The same evaluator takes batches of all sizes, one after the other.
        for (const std::size_t rows : {std::size_t{1}, std::size_t{63}, std::size_t{64},
                                       1 + random.below(200), std::size_t{1024}}) {
            const std::uint64_t nulls = random.below(3) * 25;
            require_same(drawn, draw_table(random, rows, nulls, world), evaluator);
        }
    }
}

TEST_CASE("Evaluating takes no memory, and closing gives the scratch back",
          "[operators][expression]") {
    SlotWorld world;
    Random random(1);
    {
        const Table table = draw_table(random, 1000, 25, world);
        const std::size_t before = world.slot().bytes_in_use();
        auto compiled = compile_expression(
            R"(coalesce(c6, "a long literal that is not stored in place") != c7 and c2 / c3 > c5)",
            test::fields_of(*table.batch->schema()));
        ExpressionEvaluator evaluator(*std::move(compiled.program));
        REQUIRE(evaluator.open(world.slot(), world.owner()));
        const std::size_t open = world.slot().bytes_in_use();
        REQUIRE(open >= before + evaluator.scratch_bytes());
        const std::uint64_t allocations = millrace::test::heap_allocations();
        for (int i = 0; i < 10; ++i) (void)evaluator.evaluate(*table.batch);
        REQUIRE(millrace::test::heap_allocations() == allocations);
        REQUIRE(world.slot().bytes_in_use() == open);
        evaluator.close();
        REQUIRE(world.slot().bytes_in_use() == before);
    }
}

}  // namespace
}  // namespace millrace::operators
