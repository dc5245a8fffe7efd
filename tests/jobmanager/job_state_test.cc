#include "runtime/jobmanager/job_state.h"

#include <catch2/catch.hpp>

namespace millrace::jobmanager {
namespace {

TEST_CASE("JobState has exactly three final states", "[jobmanager]") {
    int final_states = 0;
    for (int i = 0; i < 8; ++i) final_states += is_final(static_cast<JobState>(i)) ? 1 : 0;
    REQUIRE(final_states == 3);
    REQUIRE(is_final(JobState::kFinished));
    REQUIRE(is_final(JobState::kCanceled));
    REQUIRE(is_final(JobState::kFailed));
}

TEST_CASE("JobState never leaves a final state and never skips cancelling", "[jobmanager]") {
    REQUIRE_FALSE(is_legal(JobState::kFinished, JobState::kRunning));
    REQUIRE_FALSE(is_legal(JobState::kRunning, JobState::kCanceled));
    REQUIRE_FALSE(is_legal(JobState::kFailing, JobState::kRunning));
    REQUIRE(is_legal(JobState::kFailing, JobState::kCancelling));
}

}  // namespace
}  // namespace millrace::jobmanager
