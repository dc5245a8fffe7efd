#include "operators/expression/kernels.h"

#include <cmath>
#include <functional>
#include <limits>

#include "runtime/base/check.h"

namespace millrace::operators {
namespace {

// Each returns whether the result fits.
bool add(std::int64_t a, std::int64_t b, std::int64_t& out) {
    return !__builtin_add_overflow(a, b, &out);
}
bool subtract(std::int64_t a, std::int64_t b, std::int64_t& out) {
    return !__builtin_sub_overflow(a, b, &out);
}
bool multiply(std::int64_t a, std::int64_t b, std::int64_t& out) {
    return !__builtin_mul_overflow(a, b, &out);
}
bool divide(std::int64_t a, std::int64_t b, std::int64_t& out) {
    const bool fits = b != 0 && !(a == std::numeric_limits<std::int64_t>::min() && b == -1);
    out = fits ? a / b : 0;
    return fits;
}
bool remain(std::int64_t a, std::int64_t b, std::int64_t& out) {
    // x % -1 is 0 for every x, but the processor would divide and overflow.
    out = b == 0 || b == -1 ? 0 : a % b;
    return b != 0;
}

template <auto kOperator>
void calculate_integers(std::size_t rows, const std::int64_t* left, const std::int64_t* right,
                        std::int64_t* out, RowBits fits) {
    pack_rows(rows, fits,
              [=](std::size_t row) { return kOperator(left[row], right[row], out[row]); });
}

template <class Operator>
void calculate_floats(std::size_t rows, const double* left, const double* right, double* out,
                      Operator apply) {
    for (std::size_t row = 0; row < rows; ++row) out[row] = apply(left[row], right[row]);
}

template <class T, class Test>
void test_rows(std::size_t rows, const T* left, const T* right, RowBits out, Test test) {
    pack_rows(rows, out, [=](std::size_t row) { return test(left[row], right[row]); });
}

template <class T>
void compare_numbers(Opcode opcode, std::size_t rows, const T* left, const T* right, RowBits out) {
    switch (opcode) {
        case Opcode::kEqual:
            return test_rows(rows, left, right, out, std::equal_to<T>());
        case Opcode::kNotEqual:
            return test_rows(rows, left, right, out, std::not_equal_to<T>());
        case Opcode::kLess:
            return test_rows(rows, left, right, out, std::less<T>());
        case Opcode::kLessEqual:
            return test_rows(rows, left, right, out, std::less_equal<T>());
        case Opcode::kGreater:
            return test_rows(rows, left, right, out, std::greater<T>());
        default:
            MILLRACE_CHECK_EQ(opcode, Opcode::kGreaterEqual);
            return test_rows(rows, left, right, out, std::greater_equal<T>());
    }
}

}  // namespace

void calculate(Opcode opcode, std::size_t rows, const std::int64_t* left, const std::int64_t* right,
               std::int64_t* out, RowBits fits) {
    switch (opcode) {
        case Opcode::kAdd:
            return calculate_integers<add>(rows, left, right, out, fits);
        case Opcode::kSubtract:
            return calculate_integers<subtract>(rows, left, right, out, fits);
        case Opcode::kMultiply:
            return calculate_integers<multiply>(rows, left, right, out, fits);
        case Opcode::kDivide:
            return calculate_integers<divide>(rows, left, right, out, fits);
        default:
            MILLRACE_CHECK_EQ(opcode, Opcode::kRemainder);
            return calculate_integers<remain>(rows, left, right, out, fits);
    }
}

void calculate(Opcode opcode, std::size_t rows, const double* left, const double* right,
               double* out) {
    switch (opcode) {
        case Opcode::kAdd:
            return calculate_floats(rows, left, right, out, std::plus<double>());
        case Opcode::kSubtract:
            return calculate_floats(rows, left, right, out, std::minus<double>());
        case Opcode::kMultiply:
            return calculate_floats(rows, left, right, out, std::multiplies<double>());
        case Opcode::kDivide:
            return calculate_floats(rows, left, right, out, std::divides<double>());
        default:
            MILLRACE_CHECK_EQ(opcode, Opcode::kRemainder);
            return calculate_floats(rows, left, right, out,
                                    [](double a, double b) { return std::fmod(a, b); });
    }
}

void compare(Opcode opcode, std::size_t rows, const std::int64_t* left, const std::int64_t* right,
             RowBits out) {
    compare_numbers(opcode, rows, left, right, out);
}

void compare(Opcode opcode, std::size_t rows, const double* left, const double* right,
             RowBits out) {
    compare_numbers(opcode, rows, left, right, out);
}

void compare(Opcode opcode, std::size_t rows, const std::string_view* left,
             const std::string_view* right, RowBits out) {
    if (opcode == Opcode::kEqual)
        return test_rows(rows, left, right, out, std::equal_to<std::string_view>());
    MILLRACE_CHECK_EQ(opcode, Opcode::kNotEqual);
    test_rows(rows, left, right, out, std::not_equal_to<std::string_view>());
}

}  // namespace millrace::operators
