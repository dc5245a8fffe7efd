#include <string>
#include <string_view>
#include <vector>

#include <catch2/catch.hpp>

#include "expression_row.h"
#include "operators/expression/compiler.h"
#include "operators/expression/parser.h"

namespace millrace::operators {
namespace {

using test::ExpressionRow;
using test::fields_of;
using test::row_schema;

struct Case {
    std::string_view text;
    std::string_view value;
};

void require_values(std::initializer_list<Case> cases) {
    ExpressionRow row;
    for (const Case& one : cases) {
        CAPTURE(one.text);
        REQUIRE(row.value(one.text) == one.value);
    }
}

CompiledExpression compiled(std::string_view text) {
    const auto schema = row_schema();
    return compile_expression(text, fields_of(*schema));
}

std::string type_of(std::string_view text) {
    const auto expression = compiled(text);
    REQUIRE(expression.program.has_value());
    return data::to_string(expression.program->type);
}

TEST_CASE("An expression groups its operators by rank, and from left to right",
          "[operators][expression]") {
    require_values({{"1 + 2 * 3", "7"},
                    {"(1 + 2) * 3", "9"},
                    {"10 - 4 - 3", "3"},
                    {"100 / 10 / 5", "2"},
                    {"7 % 4 * 2", "6"},
                    {"-2 * -3", "6"},
                    {"2 - -3", "5"},
                    {"--3", "3"},
                    {"-(1 + 2)", "-3"},
                    {"-i + 1", "-6"},
                    {"1 + 2 == 3", "true"},
                    {"1 < 2 and 2 < 3", "true"},
                    {"not yes or yes", "true"},
                    {"not (yes or yes)", "false"},
                    {"not not yes", "true"},
                    {"not 1 == 2", "true"},
                    {"yes or yes and no", "true"},
                    {"(yes or yes) and no", "false"},
                    {"no and no or yes", "true"},
                    {"yes == (not no)", "true"},
                    {"1 + ni is null", "true"},
                    {"not ni is null", "false"},
                    {"ni is null and j is not null", "true"}});
}

// Kleene's three-valued logic, as in SQL.
TEST_CASE("Logic with null follows the three-valued truth tables", "[operators][expression]") {
    require_values(
        {{"yes and yes", "true"},     {"yes and no", "false"},  {"yes and none", "null"},
         {"no and yes", "false"},     {"no and no", "false"},   {"no and none", "false"},
         {"none and yes", "null"},    {"none and no", "false"}, {"none and none", "null"},
         {"yes or yes", "true"},      {"yes or no", "true"},    {"yes or none", "true"},
         {"no or yes", "true"},       {"no or no", "false"},    {"no or none", "null"},
         {"none or yes", "true"},     {"none or no", "null"},   {"none or none", "null"},
         {"not yes", "false"},        {"not no", "true"},       {"not none", "null"},
         {"null and false", "false"}, {"null or true", "true"}, {"null or no", "null"}});
}

TEST_CASE("Null in gives null out", "[operators][expression]") {
    ExpressionRow row;
    for (const char* sign : {"+", "-", "*", "/", "%", "==", "!=", "<", "<=", ">", ">="}) {
        for (const char* null : {"ni", "ng"}) {
            for (const char* other : {"j", "2", "g", "ni", "ng"}) {
                CAPTURE(null, sign, other);
                REQUIRE(row.value(fmt::format("{} {} {}", null, sign, other)) == "null");
                REQUIRE(row.value(fmt::format("{} {} {}", other, sign, null)) == "null");
            }
        }
    }
    require_values({{"-ni", "null"},
                    {"-ng", "null"},
                    {"u == t", "null"},
                    {"t != u", "null"},
                    {"none == yes", "null"},
                    {"no != none", "null"},
                    {"none == none", "null"},
                    {"at + ni", "null"}});
}

TEST_CASE("Questions for null are never null themselves", "[operators][expression]") {
    require_values({{"ni is null", "true"},
                    {"ni is not null", "false"},
                    {"i is null", "false"},
                    {"i is not null", "true"},
                    {"u is null", "true"},
                    {"t is null", "false"},
                    {"t is not null", "true"},
                    {"none is null", "true"},
                    {"tags is null", "false"},
                    {"untagged is null", "true"},
                    {"untagged is not null", "false"},
                    {"(none or no) is null", "true"},
                    {"ni + 1 is null", "true"},
                    {"1 / 0 is null", "true"},
                    {"null is null", "true"},
                    {"coalesce(u, t) is null", "false"}});
}

TEST_CASE("coalesce takes the first value that is not null", "[operators][expression]") {
    require_values({{"coalesce(ni, 5)", "5"},
                    {"coalesce(j, 5)", "-3"},
                    {"coalesce(ni, ni, j, 5)", "-3"},
                    {"coalesce(ni, ni)", "null"},
                    {"coalesce(ng, 0.5)", "0.5"},
                    {"coalesce(ni, g)", "2.5"},
                    {"coalesce(ng, i)", "7"},
                    {"coalesce(u, \"none\")", "'none'"},
                    {"coalesce(t, \"none\")", "'bot'"},
                    {"coalesce(none, yes)", "true"},
                    {"coalesce(no, yes)", "false"},
                    {"coalesce(none, none)", "null"},
                    {"coalesce(null, i)", "7"},
                    {"coalesce(i, null)", "7"},
                    {"coalesce(null, null, 4, ni)", "4"},
                    {"coalesce(at, 5)", "1000"},
                    {"coalesce(ni + 1, coalesce(ni, 2) * 3)", "6"}});
}

TEST_CASE("Integers are computed in 64 bits, and what does not fit is null",
          "[operators][expression]") {
    require_values({{"7 / 2", "3"},
                    {"-7 / 2", "-3"},
                    {"-7 % 2", "-1"},
                    {"7 % -2", "1"},
                    {"1 / 0", "null"},
                    {"1 % 0", "null"},
                    {"i / (i - 7)", "null"},
                    {"max + 1", "null"},
                    {"max + 0", "9223372036854775807"},
                    {"min - 1", "null"},
                    {"max * 2", "null"},
                    {"min / -1", "null"},
                    {"min % -1", "0"},
                    {"-min", "null"},
                    {"-max", "-9223372036854775807"},
                    {"-9223372036854775808 == min", "true"},
                    {"i * 1000000000", "7000000000"}});
}

TEST_CASE("Floats are computed by IEEE 754", "[operators][expression]") {
    require_values({{"g / 0", "inf"},
                    {"-g / 0", "-inf"},
                    {"0.0 / 0 == 0.0 / 0", "false"},
                    {"0.0 / 0 != 0.0 / 0", "true"},
                    {"5.5 % 2", "1.5"},
                    {"-5.5 % 2", "-1.5"},
                    {"1e3", "1000"},
                    {"2.5E-1", "0.25"},
                    {"-0.5 + f", "0"},
                    // A float32 is 0.1 only as far as 24 bits go.
                    {"predictions.m.score == 0.25", "true"}});
}

TEST_CASE("Operands of two types meet in the wider one", "[operators][expression]") {
    require_values({{"i + j", "4"},
                    {"i + g", "9.5"},
                    {"j * g", "-7.5"},
                    {"g * j", "-7.5"},
                    {"i / 2.0", "3.5"},
                    {"2 * g", "5"},
                    {"f + f", "1"},
                    {"7 == 7.0", "true"},
                    {"i > 6.5", "true"},
                    {"6.5 > i", "false"},
                    {"(i + 1) * g", "20"},
                    {"g - (i + 1)", "-5.5"},
                    {"at == 1000", "true"},
                    {"999 < at", "true"},
                    {"at - at", "0"},
                    {"at + 5", "1005"},
                    {"5 + at", "1005"},
                    {"at - 1", "999"}});
}

TEST_CASE("The type of an expression follows from its operands", "[operators][expression]") {
    const std::vector<Case> cases = {{"i", "int32"},
                                     {"f", "float32"},
                                     {"tags", "list<string>"},
                                     {"raw", "bytes"},
                                     {"i + i", "int64"},
                                     {"-i", "int64"},
                                     {"f + f", "float64"},
                                     {"-f", "float64"},
                                     {"i * f", "float64"},
                                     {"i / 2", "int64"},
                                     {"i > 1", "bool"},
                                     {"t", "string"},
                                     {"\"a\"", "string"},
                                     {"at", "timestamp_ms"},
                                     {"at - at", "int64"},
                                     {"at + 1", "timestamp_ms"},
                                     {"coalesce(i, 1)", "int64"},
                                     {"coalesce(i, 1.5)", "float64"},
                                     {"coalesce(u, \"x\")", "string"},
                                     {"coalesce(raw, raw)", "bytes"},
                                     {"coalesce(at, 0)", "timestamp_ms"},
                                     {"untagged is null", "bool"}};
    for (const Case& one : cases) {
        CAPTURE(one.text);
        REQUIRE(type_of(one.text) == one.value);
    }
}

TEST_CASE("Text is compared byte by byte, and bools by value", "[operators][expression]") {
    require_values({{R"(t == "bot")", "true"},
                    {R"(t != "bot")", "false"},
                    {R"(t == "Bot")", "false"},
                    {R"("" == "")", "true"},
                    {R"("a\"b\\c\n\r\t")", "'a\"b\\c\n\r\t'"},
                    {"\"gr\u00fcn\" == \"gr\u00fcn\"", "true"},
                    {"raw == raw", "true"},
                    {"yes == true", "true"},
                    {"yes != true", "false"},
                    {"no == false", "true"},
                    {"no == yes", "false"}});
}

TEST_CASE("Names may have dots, and any letters between backticks", "[operators][expression]") {
    require_values({{"predictions.m.score * 4", "1"},
                    {"`odd name` + 1", "10"},
                    {"`i` - i", "0"},
                    {" i\t+\r\n1 ", "8"},
                    {"coalesce (ni,1)", "1"}});
}

struct Mistake {
    std::string_view text;
    std::size_t offset;
    std::size_t length;
    std::string_view message;
    std::string_view fix;
};

void require_faults(std::initializer_list<Mistake> mistakes) {
    for (const Mistake& mistake : mistakes) {
        CAPTURE(mistake.text);
        const auto expression = compiled(mistake.text);
        REQUIRE(expression.faults.size() == 1);
        const ExpressionFault& fault = expression.faults.front();
        CHECK(fault.message == mistake.message);
        CHECK(fault.fix == mistake.fix);
        CHECK(fault.place.offset == mistake.offset);
        CHECK(fault.place.length == mistake.length);
        CHECK_FALSE(expression.program.has_value());
    }
}

constexpr std::string_view kAnyValue = "write a field, a number, a \"text\", true, false or null";
constexpr std::string_view kUnended =
    "close it with ); inside { }, put the whole expression between single quotes";
constexpr std::string_view kAnyOperator = "put an operator between the values: and, or, ==, <, +";
constexpr std::string_view kNames =
    "put a field name with such letters between backticks, and text between double quotes";
constexpr std::string_view kPlain =
    "write a plain number: 30, 0.5 or 1e-3; units and hexadecimal are not known here";
constexpr std::string_view kEscapes = R"(the escapes are \" \\ \n \r \t; a backslash itself is \\)";
constexpr std::string_view kNumberType = "use a field or literal of an integer or float type";

TEST_CASE("A mistake of spelling has its place and a fix", "[operators][expression]") {
    require_faults({
        {"", 0, 1, "the expression is empty", "write a condition or a value: bid > 0"},
        {"i ~ 1", 2, 1, "an expression has no \"~\"", kNames},
        {"i \u00fc", 2, 2, "an expression has a letter that is not known here", kNames},
        {"t == 'bot'", 5, 1, "a value is expected, not \"'\"", "write text between double quotes"},
        {".5", 0, 1, "a number begins with a digit", "write 0 in front of the point"},
        {"i > 30m", 4, 3, "this is no number: 30m", kPlain},
        {"i > 1.", 4, 2, "this is no number: 1.", kPlain},
        {"i > 1.5.2", 4, 5, "this is no number: 1.5.2", kPlain},
        {"0x1F", 0, 4, "this is no number: 0x1F", kPlain},
        {"1e", 0, 2, "this is no number: 1e", kPlain},
        {"i < 9223372036854775808", 4, 19,
         "the number does not fit into int64: 9223372036854775808", "write it as a float: add .0"},
        {"g < -1e999", 4, 6, "the number does not fit into float64: -1e999",
         "write a number between 2.3e-308 and 1.7e308"},
        {R"(t == "bot)", 5, 4, "a text has no end", "close it with a double quote"},
        {R"(t == "a\d")", 7, 2, "a text has an unknown escape", kEscapes},
        {"\"a\\", 2, 1, "a text has an unknown escape", kEscapes},
        {"`odd", 0, 4, "a name has no end", "close it with a backtick"},
    });
}

TEST_CASE("A mistake of grammar has its place and a fix", "[operators][expression]") {
    require_faults({
        {"i >", 3, 0, "the expression ends where a value is expected",
         "add a value, or remove what stands last"},
        {"> 1", 0, 1, "a value is expected, not \">\"", kAnyValue},
        {"i > and", 4, 3, "a value is expected, not \"and\"", kAnyValue},
        {"i j", 2, 1, "an operator is expected, not \"j\"", kAnyOperator},
        {"i \"a\"", 2, 3, "an operator is expected, not a text", kAnyOperator},
        {"i = 1", 2, 1, "an operator is expected, not \"=\"", "write == to compare"},
        {"i <> 1", 2, 2, "an operator is expected, not \"<>\"", "write !="},
        {"yes && no", 4, 2, "an operator is expected, not \"&&\"", "write and"},
        {"yes || no", 4, 2, "an operator is expected, not \"||\"", "write or"},
        {"yes AND no", 4, 3, "an operator is expected, not \"AND\"", "write and"},
        {"!yes", 0, 1, "a value is expected, not \"!\"", "write not"},
        {"1 < i < 9", 6, 1, "comparisons do not chain", "join two comparisons with and"},
        {"i is null is null", 10, 2, "comparisons do not chain", "join two comparisons with and"},
        {"i is 7", 5, 1, "only null or not null can follow \"is\"",
         "write == to compare with something else"},
        {"i is not 7", 9, 1, "only null or not null can follow \"is\"",
         "write == to compare with something else"},
        {"yes == not no", 7, 3, "\"not\" cannot stand behind this operator",
         "put parentheses around it: (not a)"},
        {"(i + 1", 0, 1, "a parenthesis has no end", kUnended},
        {"i + 1)", 5, 1, "a parenthesis is closed that was not opened",
         "remove it, or open it with ("},
        {"(i, j)", 2, 1, "an operator is expected, not \",\"", kAnyOperator},
        {"abs(i)", 0, 3, "there is no function \"abs\"", "coalesce(a, b) is the only function"},
        {"coalesce()", 0, 8, "coalesce needs two values or more", "write coalesce(field, 0)"},
        {"coalesce(i)", 0, 8, "coalesce needs two values or more", "write coalesce(field, 0)"},
        {"coalesce(i, j", 0, 8, "a parenthesis has no end", kUnended},
        {"coalesce(i", 0, 8, "a parenthesis has no end", kUnended},
    });
}

TEST_CASE("A mistake of types has its place and a fix", "[operators][expression]") {
    require_faults({
        {"t + 1", 0, 1, "\"+\" needs a number, not text", kNumberType},
        {"1 - yes", 4, 3, "\"-\" needs a number, not a bool", kNumberType},
        {"-t", 1, 1, "\"-\" needs a number, not text", kNumberType},
        {"i * tags", 4, 4, "\"*\" needs a number, not a list", kNumberType},
        {"raw / 2", 0, 3, "\"/\" needs a number, not bytes", kNumberType},
        {"at * 2", 0, 2, "\"*\" needs a number, not a timestamp",
         "timestamps know only time - time, time + integer and time - integer"},
        {"i % null", 4, 4, "\"%\" with null is always null",
         "remove it, or use coalesce(field, 0)"},
        {"i and yes", 0, 1, "\"and\" needs a bool, not a number", "compare it with something"},
        {"yes or t", 7, 1, "\"or\" needs a bool, not text", "compare it with something"},
        {"not (i + 1)", 5, 5, "\"not\" needs a bool, not a number", "compare it with something"},
        {"i == null", 2, 2, "a comparison with null is always null", "write is null"},
        {"null != i", 5, 2, "a comparison with null is always null", "write is not null"},
        {"t == 5", 0, 6, "text cannot be compared with a number",
         "write a number that is text in double quotes: \"5\""},
        {"i + 1 > t", 0, 9, "a number cannot be compared with text",
         "write a number that is text in double quotes: \"5\""},
        {"yes == 1", 0, 8, "a bool cannot be compared with a number", "write true or false"},
        {"at > \"2026\"", 0, 11, "a timestamp cannot be compared with text",
         "write a timestamp as an integer: milliseconds since 1970"},
        {"at > 1.5", 0, 8, "a timestamp cannot be compared with a number",
         "write a timestamp as an integer: milliseconds since 1970"},
        {"tags == t", 0, 9, "a list cannot be compared with text",
         "a list knows only is null and is not null"},
        {"tags == tags", 0, 12, "a list cannot be compared with a list",
         "a list knows only is null and is not null"},
        {"raw == t", 0, 8, "bytes cannot be compared with text", "use two values of one type"},
        {"t < \"c\"", 2, 1, "\"<\" has no meaning for text", "use == or !="},
        {"yes >= no", 4, 2, "\">=\" has no meaning for a bool", "use == or !="},
        {"coalesce(i, t)", 12, 1, "coalesce cannot mix a number with text",
         "write a number that is text in double quotes: \"5\""},
        {"coalesce(tags, tags)", 15, 4, "coalesce does not take a list",
         "a list knows only is null and is not null"},
        {"null", 0, 4, "null alone has no type", "write a value with a type, or a field"},
    });
}

TEST_CASE("An unknown field is named, with the suggestion of whoever asks",
          "[operators][expression]") {
    const std::vector<ExpressionField> fields = {{"bid", data::Type{data::Kind::kFloat64}},
                                                 {"site", data::Type{data::Kind::kString}}};
    const auto listed = compile_expression("1 < bidd", fields);
    REQUIRE(listed.faults.size() == 1);
    REQUIRE(listed.faults[0].message == "there is no field \"bidd\"");
    REQUIRE(listed.faults[0].place.offset == 4);
    REQUIRE(listed.faults[0].place.length == 4);
    REQUIRE(listed.faults[0].fix == "the fields are: bid, site");
    const auto suggested = compile_expression(
        "1 < bidd", fields, [](std::string_view written, std::span<const std::string_view> words) {
            return fmt::format("{} for {}", words[0], written);
        });
    REQUIRE(suggested.faults[0].fix == "bid for bidd");
}

TEST_CASE("All type mistakes are told at once, and each of them once", "[operators][expression]") {
    const auto expression = compiled("(ii + 1) * 2 > -jj and t > 5 and coalesce(ii, t) == 3");
    std::vector<std::string> messages;
    messages.reserve(expression.faults.size());
    for (const ExpressionFault& fault : expression.faults) messages.push_back(fault.message);
    REQUIRE(messages == std::vector<std::string>{
                            "there is no field \"ii\"", "there is no field \"jj\"",
                            "text cannot be compared with a number", "there is no field \"ii\""});
}

TEST_CASE("A field whose type is not known makes neither a fault nor a program",
          "[operators][expression]") {
    const std::vector<ExpressionField> fields = {{"a", std::nullopt}};
    for (const char* text : {"a", "a + 1 > 2", "a is null", "coalesce(a, \"x\") == \"y\"", "-a",
                             "not a", "a and true", "a == null"}) {
        CAPTURE(text);
        const auto expression = compile_expression(text, fields);
        REQUIRE(expression.faults.empty());
        REQUIRE_FALSE(expression.program.has_value());
    }
}

TEST_CASE("The error for an operator has key, column and hint", "[operators][expression]") {
    const auto program = compile_expression_of("where", "i > 0 and tt == \"a\"", *row_schema());
    REQUIRE_FALSE(program.has_value());
    REQUIRE(program.error().code == Code::kInvalidArgument);
    REQUIRE(program.error().message.starts_with(
        "where, column 11: there is no field \"tt\". Hint: the fields are: i, j, f"));
}

std::string repeated(std::string_view part, std::size_t times) {
    std::string text;
    for (std::size_t i = 0; i < times; ++i) text += part;
    return text;
}

TEST_CASE("An expression has 4096 bytes and no more", "[operators][expression]") {
    const std::string text = "1" + std::string(kExpressionBytesMax - 1, ' ');
    REQUIRE(ExpressionRow().value(text) == "1");
    REQUIRE(compiled(text + " ").faults[0].message == "the expression is longer than 4096 bytes");
}

TEST_CASE("An expression is 64 levels deep and no deeper", "[operators][expression]") {
    const auto parentheses = [](std::size_t levels) {
        return repeated("(", levels - 1) + "1" + repeated(")", levels - 1);
    };
    REQUIRE(ExpressionRow().value(parentheses(kExpressionDepthMax)) == "1");
    const std::string too_deep = "the expression is nested deeper than 64 levels";
    REQUIRE(compiled(parentheses(kExpressionDepthMax + 1)).faults[0].message == too_deep);
    REQUIRE(compiled(repeated("not ", 64) + "yes").faults[0].message == too_deep);
    REQUIRE(compiled(repeated("- ", 64) + "i").faults[0].message == too_deep);
    REQUIRE(compiled(repeated("coalesce(i, ", 64) + "1").faults[0].message == too_deep);
    REQUIRE(compiled(repeated("(", 4000)).faults[0].message == too_deep);
}

TEST_CASE("The deepest expression needs one column a level", "[operators][expression]") {
    const std::string text = repeated("(1 + ", 63) + "1" + repeated(")", 63);
    REQUIRE(compiled(text).faults.size() == 1);  // Right operands are a level of their own.
    const std::string fits = repeated("(1 + ", 31) + "1" + repeated(")", 31);
    REQUIRE(ExpressionRow().value(fits) == "32");
    REQUIRE(compiled(fits).program->stack_height == 32);
    // From left to right two columns are enough, however long it is.
    REQUIRE(compiled("1" + repeated(" + 1", 400)).program->stack_height == 2);
}

TEST_CASE("An expression has 1000 nodes and no more", "[operators][expression]") {
    const std::string sum = "1" + repeated("+1", 499);  // 500 numbers, 499 operators.
    REQUIRE(ExpressionRow().value("-(" + sum + ")") == "-500");
    const auto expression = compiled("0 < -(" + sum + ")");
    REQUIRE(expression.faults.size() == 1);
    REQUIRE(expression.faults[0].message ==
            "the expression has more than 1000 fields, literals and operators");
}

}  // namespace
}  // namespace millrace::operators
