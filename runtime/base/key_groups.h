// Key groups: the finest division of a job's keyed state and hash ranges.
//
// A job has the same number of them for life, so that its state can be restored at another
// parallelism. A subtask that keys are dealt to needs at least one.
//
// Threads:    a constant.
// Limits:     kKeyGroups subtasks can own keys.
// Failure:    none.

#pragma once

#include <cstdint>

namespace millrace {

inline constexpr std::uint32_t kKeyGroups = 128;

}  // namespace millrace
