// Computes an expression over a batch: each instruction is one loop over all rows.
//
//   instruction   bid   0    >     device  "bot"  !=      and
//   stack         [bid] [0]  [>]   [device]       [!=]    [and]
//                       [bid]      [>]     ["bot"][>]
//                                          [device]
//
// A place on the stack has room for the values of one column and for two bits a row: present, and
// true. 64-bit columns of the batch are read where they stand; all others are widened into the
// room. Nothing fails on the way, so there is nothing that an `and` would have to skip.
//
// Threads:    one.
// Ownership:  owns its program and its scratch memory. Results lie in the scratch or in the batch.
// Limits:     scratch_bytes(), taken once in open(); data::kRowsMax rows.
// Failure:    open() returns kResourceExhausted when the slot refuses; evaluating cannot fail.

#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "memory/memory_pool.h"
#include "memory/segment.h"
#include "operators/expression/program.h"
#include "operators/expression/row_bits.h"
#include "runtime/base/status.h"
#include "runtime/data/batch.h"

namespace millrace::operators {

// One value a row; which array is set follows from the program's kind.
struct ExpressionValues {
    std::span<const std::uint64_t, kRowWords> present;
    std::span<const std::uint64_t, kRowWords> is_true;  // Of bools; null rows are not.
    const std::byte* array = nullptr;  // Of others: int64, double, or string_view. Null texts
                                       // are empty; null numbers are anything.
    template <class T>
    [[nodiscard]] const T* as() const {
        return reinterpret_cast<const T*>(array);
    }
};

class ExpressionEvaluator {
  public:
    explicit ExpressionEvaluator(ExpressionProgram program) : program_(std::move(program)) {}

    // Takes the scratch memory. To be called before evaluate().
    Status open(memory::MemoryPool& slot, memory::OwnerId owner);
    void close() noexcept;

    // The result holds until the next call, as long as the batch lives. REQUIRES: the batch has the
    // fields that the program was compiled for, and no more than data::kRowsMax rows.
    ExpressionValues evaluate(const data::Batch& batch);

    [[nodiscard]] const ExpressionProgram& program() const { return program_; }
    [[nodiscard]] std::size_t scratch_bytes() const;

  private:
    // A place on the stack.
    struct Frame {
        RowBits present;
        RowBits is_true;
        std::byte* room;         // For the values.
        const std::byte* array;  // The values: in the room, or in the batch.

        template <class T>
        [[nodiscard]] const T* as() const {
            return reinterpret_cast<const T*>(array);
        }
        // The room, which from now on has the values.
        template <class T>
        [[nodiscard]] T* own() {
            array = room;
            return reinterpret_cast<T*>(room);
        }
    };

    [[nodiscard]] std::size_t room_bytes() const;
    void carry_out(const Instruction& instruction, const data::Batch& batch);
    void load_field(const Instruction& instruction, const data::Batch& batch, Frame& top);
    void load_literal(const Instruction& instruction, Frame& top);
    void apply_to_one(const Instruction& instruction, Frame& top);
    void apply_to_two(const Instruction& instruction, Frame& left, const Frame& right);
    void negate(const Instruction& instruction, Frame& top);
    void calculate_into(const Instruction& instruction, Frame& left, const Frame& right);
    void compare_into(const Instruction& instruction, Frame& left, const Frame& right);
    void coalesce_into(const Instruction& instruction, Frame& left, const Frame& right);

    const ExpressionProgram program_;
    memory::Segment scratch_;
    std::vector<Frame> frames_;  // program_.stack_height, once opened.
    std::size_t height_ = 0;     // Frames in use.
    std::size_t rows_ = 0;       // Of the batch.
};

}  // namespace millrace::operators
