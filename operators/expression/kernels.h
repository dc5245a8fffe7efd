// The loops of expressions: one operator over all rows of two columns.
//
// Null rows are computed like all others, from whatever stands there; the caller knows which they
// are. `out` may be one of the inputs.
//
// Threads:    any.
// Limits:     data::kRowsMax rows.
// Failure:    none. REQUIRES: an opcode that is named.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "operators/expression/program.h"
#include "operators/expression/row_bits.h"

namespace millrace::operators {

// + - * / %. `fits`: rows whose result is an int64; not so after an overflow or a division by zero.
// Division truncates towards zero, and the remainder has the sign of the dividend.
void calculate(Opcode opcode, std::size_t rows, const std::int64_t* left, const std::int64_t* right,
               std::int64_t* out, RowBits fits);
// The same by IEEE 754; % is fmod.
void calculate(Opcode opcode, std::size_t rows, const double* left, const double* right,
               double* out);

// == != < <= > >=
void compare(Opcode opcode, std::size_t rows, const std::int64_t* left, const std::int64_t* right,
             RowBits out);
void compare(Opcode opcode, std::size_t rows, const double* left, const double* right, RowBits out);
// == !=
void compare(Opcode opcode, std::size_t rows, const std::string_view* left,
             const std::string_view* right, RowBits out);

}  // namespace millrace::operators
