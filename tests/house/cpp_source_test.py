"""Checks the reader of C++ text against text whose functions were counted by hand."""

import textwrap
import unittest

import cpp_source


def found(text):
    return [tuple(function) for function in cpp_source.functions(textwrap.dedent(text))]


class FunctionsTest(unittest.TestCase):
    def test_counts_the_lines_of_plain_functions(self):
        self.assertEqual(
            found(
                """\
                int one() { return 1; }

                Result<std::vector<int>> Thing::two(const std::string& a,
                                                    int b) const {
                    if (b > 0) {
                        return {1, 2};
                    }
                    return {};
                }
                """
            ),
            [("one", 1, 1), ("Thing::two", 3, 7)],
        )

    def test_looks_into_namespaces_and_classes(self):
        self.assertEqual(
            found(
                """\
                namespace a::b {
                namespace {
                class Outer final : public Base<decltype(f())> {
                  public:
                    struct Inner {
                        int x = 3;
                        int get() const {
                            return x;
                        }
                    };
                    ~Outer() override {}
                };
                enum class Kind : int { kA, kB };
                }
                }
                """
            ),
            [("get", 7, 3), ("~Outer", 11, 1)],
        )

    def test_is_not_misled_by_initialisers(self):
        self.assertEqual(
            found(
                """\
                const std::map<int, int> kTable = {{1, f(2)}, {3, 4}};
                constexpr Limits kLimits{.a = g(1)};
                Thing::Thing(Options options)
                    : a_(options.a), b_{1}, c_{2} {
                    start();
                }
                void defaults(Options options = {}, int x = int{}) {
                    run();
                }
                """
            ),
            [("Thing::Thing", 3, 4), ("defaults", 7, 3)],
        )

    def test_is_not_misled_by_comments_strings_and_macros(self):
        self.assertEqual(
            found(
                """\
                // void commented() {
                /* void also() { */
                #define LOOP(x) \\
                    do {        \\
                    } while (x)
                const char* kText = "}{";
                const char* kRaw = R"x(
                void inside() {
                )x";
                template <class T, class U = std::vector<T>>
                void real() {
                    call('{', "\\"}", 1'000);
                }
                """
            ),
            [("real", 10, 4)],
        )

    def test_counts_test_cases_and_operators(self):
        self.assertEqual(
            found(
                """\
                TEST_CASE("A thing {does}", "[a]") {
                    SECTION("b") {
                    }
                }
                bool operator==(const A& a, const B& b) {
                    return true;
                }
                extern "C" int entry(const char* data) {
                    return 0;
                }
                extern "C" {
                int other() { return 1; }
                }
                """
            ),
            [("TEST_CASE", 1, 4), ("operator==", 5, 3), ("entry", 8, 3), ("other", 12, 1)],
        )


class IncludesTest(unittest.TestCase):
    def test_reads_both_forms_and_no_comments(self):
        text = '#include <a/b.h>\n// #include "c.h"\n#  include "d/e.h"\n/*\n#include "f.h"\n*/\n'
        self.assertEqual(list(cpp_source.includes(text)), [(1, "a/b.h"), (3, "d/e.h")])


class CommentsTest(unittest.TestCase):
    def test_leaves_out_what_is_in_strings(self):
        text = 'f("// no");  // yes\n/* and\nthis */ int x = 1\'000;\n'
        self.assertEqual(
            list(cpp_source.comments_only(text)), [(1, "// yes"), (2, "/* and\nthis */")]
        )


if __name__ == "__main__":
    unittest.main()
