#include "memory/owner.h"

#include <fmt/format.h>

namespace millrace::memory {

std::string_view to_string(Purpose purpose) {
    switch (purpose) {
        case Purpose::kBatch:
            return "batch";
        case Purpose::kDecode:
            return "decode";
        case Purpose::kState:
            return "state";
        case Purpose::kTable:
            return "table";
        case Purpose::kView:
            return "view";
        case Purpose::kQueue:
            return "queue";
        case Purpose::kNetwork:
            return "network";
        case Purpose::kSnapshot:
            return "snapshot";
        case Purpose::kScratch:
            return "scratch";
    }
    return "unknown";
}

std::string OwnerTag::to_string() const {
    return fmt::format("{}{}{}[{}]/{}", job, job.empty() ? "" : "/", operator_name, subtask,
                       memory::to_string(purpose));
}

}  // namespace millrace::memory
