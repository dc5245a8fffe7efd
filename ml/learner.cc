#include "ml/learner.h"

#include <algorithm>
#include <cmath>

namespace millrace::ml {

bool Learner::cells_valid(std::span<const Cell> cells) const {
    return std::ranges::all_of(cells, [](const Cell& cell) {
        return std::isfinite(cell.w) && std::isfinite(cell.state[0]) &&
               std::isfinite(cell.state[1]) && std::isfinite(cell.state[2]);
    });
}

}  // namespace millrace::ml
