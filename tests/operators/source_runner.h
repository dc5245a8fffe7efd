// Drives a source as a task does, under a clock that a test sets.
#pragma once

#include <vector>

#include "operator_world.h"
#include "operators/operator.h"
#include "tests/support/manual_clock.h"

namespace millrace::operators::test {

// Polls until the source has nothing to read, or has ended; at most `polls` times.
inline Result<Progress> run(Source& source, CollectingOutput& out, int polls = 100'000) {
    for (int i = 0; i < polls; ++i) {
        MILLRACE_TRY_ASSIGN(const Progress progress, source.poll(out));
        if (progress != Progress::kYield) return progress;
    }
    return Progress::kYield;
}

}  // namespace millrace::operators::test
