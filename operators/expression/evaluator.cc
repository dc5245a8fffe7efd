#include "operators/expression/evaluator.h"

#include <algorithm>
#include <utility>

#include "operators/expression/kernels.h"
#include "runtime/base/check.h"

namespace millrace::operators {
namespace {

constexpr std::size_t kBitsBytes = kRowWords * sizeof(std::uint64_t);
// Both bitmaps of a frame.
constexpr std::size_t kFrameBitsBytes = 2 * kBitsBytes;

template <class From, class To>
void widen(const From* from, std::size_t rows, To* to) {
    for (std::size_t row = 0; row < rows; ++row) to[row] = static_cast<To>(from[row]);
}

// Words of `out` become apply(word of a, word of b).
template <class Apply>
void combine(RowBits out, std::span<const std::uint64_t, kRowWords> a,
             std::span<const std::uint64_t, kRowWords> b, Apply apply) {
    for (std::size_t word = 0; word < kRowWords; ++word) out[word] = apply(a[word], b[word]);
}

void keep_common(RowBits out, std::span<const std::uint64_t, kRowWords> other) {
    combine(out, out, other, [](std::uint64_t a, std::uint64_t b) { return a & b; });
}

// An `and` is known when both sides are, or when one is false; `or`: when one is true.
void apply_logic(Opcode opcode, RowBits present, RowBits is_true,
                 std::span<const std::uint64_t, kRowWords> other_present,
                 std::span<const std::uint64_t, kRowWords> other_true) {
    const bool is_and = opcode == Opcode::kAnd;
    for (std::size_t word = 0; word < kRowWords; ++word) {
        const std::uint64_t a_false = present[word] & ~is_true[word];
        const std::uint64_t b_false = other_present[word] & ~other_true[word];
        const std::uint64_t any_false = a_false | b_false;
        const std::uint64_t any_true = is_true[word] | other_true[word];
        const std::uint64_t both_true = is_true[word] & other_true[word];
        const std::uint64_t both_false = a_false & b_false;
        is_true[word] = is_and ? both_true : any_true;
        present[word] = is_and ? any_false | both_true : any_true | both_false;
    }
}

// Where a row of the left side is null, the right one.
template <class T>
void choose(std::size_t rows, std::span<const std::uint64_t, kRowWords> left_present, const T* left,
            const T* right, T* out) {
    for (std::size_t row = 0; row < rows; ++row)
        out[row] = has_row(left_present, row) ? left[row] : right[row];
}

}  // namespace

std::size_t ExpressionEvaluator::room_bytes() const {
    const std::size_t width = program_.has_text ? sizeof(std::string_view) : sizeof(std::int64_t);
    return data::kRowsMax * width;
}

std::size_t ExpressionEvaluator::scratch_bytes() const {
    return program_.stack_height * (kFrameBitsBytes + room_bytes());
}

Status ExpressionEvaluator::open(memory::MemoryPool& slot, memory::OwnerId owner) {
    MILLRACE_TRY_ASSIGN(scratch_, slot.allocate(owner, scratch_bytes()));
    frames_.clear();
    for (std::size_t i = 0; i < program_.stack_height; ++i) {
        std::byte* const base = scratch_.data() + i * (kFrameBitsBytes + room_bytes());
        const auto bits = [base](std::size_t offset) {
            return RowBits(reinterpret_cast<std::uint64_t*>(base + offset), kRowWords);
        };
        std::byte* const room = base + kFrameBitsBytes;
        frames_.push_back(
            {.present = bits(0), .is_true = bits(kBitsBytes), .room = room, .array = room});
    }
    return {};
}

void ExpressionEvaluator::close() noexcept {
    frames_.clear();
    scratch_ = {};
}

ExpressionValues ExpressionEvaluator::evaluate(const data::Batch& batch) {
    MILLRACE_CHECK_LE(batch.rows(), data::kRowsMax);
    MILLRACE_CHECK_EQ(frames_.size(), program_.stack_height);
    rows_ = batch.rows();
    height_ = 0;
    for (const Instruction& instruction : program_.instructions) carry_out(instruction, batch);
    const Frame& result = frames_.front();
    return {.present = result.present, .is_true = result.is_true, .array = result.array};
}

void ExpressionEvaluator::carry_out(const Instruction& instruction, const data::Batch& batch) {
    if (instruction.opcode == Opcode::kLoadField)
        return load_field(instruction, batch, frames_[height_++]);
    if (instruction.opcode == Opcode::kLoadLiteral)
        return load_literal(instruction, frames_[height_++]);
    if (instruction.opcode < Opcode::kAdd) return apply_to_one(instruction, frames_[height_ - 1]);
    --height_;
    apply_to_two(instruction, frames_[height_ - 1], frames_[height_]);
}

void ExpressionEvaluator::load_field(const Instruction& instruction, const data::Batch& batch,
                                     Frame& top) {
    const data::Column& column = batch.column(instruction.column);
    if (column.validity == nullptr) {
        set_rows(rows_, top.present);
    } else {
        read_rows(column.validity, rows_, top.present);
    }
    if (instruction.kind == ValueKind::kList) return;
    switch (instruction.column_kind) {
        case data::Kind::kBool:
            read_rows(column.values, rows_, top.is_true);
            return keep_common(top.is_true, top.present);
        case data::Kind::kInt32:
            return widen(column.as<std::int32_t>(), rows_, top.own<std::int64_t>());
        case data::Kind::kFloat32:
            return widen(column.as<float>(), rows_, top.own<double>());
        case data::Kind::kString:
        case data::Kind::kBytes: {
            auto* const views = top.own<std::string_view>();
            for (std::size_t row = 0; row < rows_; ++row) views[row] = column.text_at(row);
            return;
        }
        default:
            top.array = column.values;
    }
}

void ExpressionEvaluator::load_literal(const Instruction& instruction, Frame& top) {
    set_rows(instruction.kind == ValueKind::kNull ? 0 : rows_, top.present);
    switch (instruction.kind) {
        case ValueKind::kInteger:
            std::fill_n(top.own<std::int64_t>(), rows_, instruction.integer);
            break;
        case ValueKind::kFloat:
            std::fill_n(top.own<double>(), rows_, instruction.real);
            break;
        case ValueKind::kText:
            std::fill_n(top.own<std::string_view>(), rows_, std::string_view(instruction.text));
            break;
        default:  // A bool, or null as one.
            set_rows(instruction.integer != 0 ? rows_ : 0, top.is_true);
    }
}

void ExpressionEvaluator::apply_to_one(const Instruction& instruction, Frame& top) {
    switch (instruction.opcode) {
        case Opcode::kToFloat: {
            const std::int64_t* const from = top.as<std::int64_t>();  // Before own() moves it.
            return widen(from, rows_, top.own<double>());
        }
        case Opcode::kNegate:
            return negate(instruction, top);
        case Opcode::kNot:
            return combine(
                top.is_true, top.present, top.is_true,
                [](std::uint64_t present, std::uint64_t is_true) { return present & ~is_true; });
        case Opcode::kIsNotNull:
            std::ranges::copy(top.present, top.is_true.begin());
            return set_rows(rows_, top.present);
        default: {
            MILLRACE_CHECK_EQ(instruction.opcode, Opcode::kIsNull);
            std::ranges::copy(top.present, top.is_true.begin());
            set_rows(rows_, top.present);
            return combine(top.is_true, top.present, top.is_true,
                           [](std::uint64_t all, std::uint64_t had) { return all & ~had; });
        }
    }
}

void ExpressionEvaluator::negate(const Instruction& instruction, Frame& top) {
    if (instruction.kind == ValueKind::kFloat) {
        const double* const from = top.as<double>();
        double* const to = top.own<double>();
        for (std::size_t row = 0; row < rows_; ++row) to[row] = -from[row];
        return;
    }
    const std::int64_t* const from = top.as<std::int64_t>();
    std::int64_t* const to = top.own<std::int64_t>();
    // The bits of truth are free in a number's frame.
    pack_rows(rows_, top.is_true, [=](std::size_t row) {
        return !__builtin_sub_overflow(std::int64_t{0}, from[row], &to[row]);
    });
    keep_common(top.present, top.is_true);
}

void ExpressionEvaluator::apply_to_two(const Instruction& instruction, Frame& left,
                                       const Frame& right) {
    switch (instruction.opcode) {
        case Opcode::kAnd:
        case Opcode::kOr:
            return apply_logic(instruction.opcode, left.present, left.is_true, right.present,
                               right.is_true);
        case Opcode::kCoalesce:
            return coalesce_into(instruction, left, right);
        case Opcode::kEqual:
        case Opcode::kNotEqual:
        case Opcode::kLess:
        case Opcode::kLessEqual:
        case Opcode::kGreater:
        case Opcode::kGreaterEqual:
            return compare_into(instruction, left, right);
        default:
            return calculate_into(instruction, left, right);
    }
}

void ExpressionEvaluator::calculate_into(const Instruction& instruction, Frame& left,
                                         const Frame& right) {
    keep_common(left.present, right.present);
    if (instruction.kind == ValueKind::kFloat) {
        const double* const from = left.as<double>();
        return calculate(instruction.opcode, rows_, from, right.as<double>(), left.own<double>());
    }
    const std::int64_t* const from = left.as<std::int64_t>();
    calculate(instruction.opcode, rows_, from, right.as<std::int64_t>(), left.own<std::int64_t>(),
              left.is_true);
    keep_common(left.present, left.is_true);
}

void ExpressionEvaluator::compare_into(const Instruction& instruction, Frame& left,
                                       const Frame& right) {
    const Opcode opcode = instruction.opcode;
    if (instruction.kind == ValueKind::kBool) {
        combine(left.is_true, left.is_true, right.is_true,
                [](std::uint64_t a, std::uint64_t b) { return a ^ b; });
        if (opcode == Opcode::kEqual)
            combine(left.is_true, left.is_true, left.is_true,
                    [](std::uint64_t differs, std::uint64_t) { return ~differs; });
    } else if (instruction.kind == ValueKind::kFloat) {
        compare(opcode, rows_, left.as<double>(), right.as<double>(), left.is_true);
    } else if (is_text(instruction.kind)) {
        compare(opcode, rows_, left.as<std::string_view>(), right.as<std::string_view>(),
                left.is_true);
    } else {
        compare(opcode, rows_, left.as<std::int64_t>(), right.as<std::int64_t>(), left.is_true);
    }
    keep_common(left.present, right.present);
    keep_common(left.is_true, left.present);
}

void ExpressionEvaluator::coalesce_into(const Instruction& instruction, Frame& left,
                                        const Frame& right) {
    const auto choose_arrays = [&]<class T>(const T* from) {
        choose(rows_, left.present, from, right.as<T>(), left.own<T>());
    };
    if (instruction.kind == ValueKind::kBool) {
        // A null is not true, so the left side needs no mask.
        for (std::size_t word = 0; word < kRowWords; ++word)
            left.is_true[word] |= right.is_true[word] & ~left.present[word];
    } else if (instruction.kind == ValueKind::kFloat) {
        choose_arrays(left.as<double>());
    } else if (is_text(instruction.kind)) {
        choose_arrays(left.as<std::string_view>());
    } else {
        choose_arrays(left.as<std::int64_t>());
    }
    combine(left.present, left.present, right.present,
            [](std::uint64_t a, std::uint64_t b) { return a | b; });
}

}  // namespace millrace::operators
