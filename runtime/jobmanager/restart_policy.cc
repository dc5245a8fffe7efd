#include "runtime/jobmanager/restart_policy.h"

#include <algorithm>

namespace millrace::jobmanager {

RestartPolicy restart_policy_of(const proto::Job& job) {
    const proto::Restart& restart = job.runtime().restart();
    RestartPolicy policy;
    if (restart.has_backoff()) {
        policy.backoff_min = std::chrono::milliseconds(restart.backoff().min_ms());
        policy.backoff_max = std::chrono::milliseconds(restart.backoff().max_ms());
    }
    if (restart.has_give_up_after()) {
        policy.give_up_after = static_cast<std::uint32_t>(restart.give_up_after());
    }
    return policy;
}

Duration backoff_after(const RestartPolicy& policy, std::uint32_t failures_in_a_row,
                       Random& random) {
    Duration wait = policy.backoff_min;
    for (std::uint32_t i = 1; i < failures_in_a_row && wait < policy.backoff_max; ++i) wait *= 2;
    wait = std::min(wait, policy.backoff_max);
    return wait + Duration(static_cast<Duration::rep>(static_cast<double>(wait.count()) * 0.1 *
                                                      random.unit()));
}

}  // namespace millrace::jobmanager
