#include "runtime/task/task_state.h"

#include <set>
#include <string>
#include <utility>

#include <catch2/catch.hpp>

namespace millrace::task {
namespace {

TEST_CASE("Task states have Flink's names", "[task][task_state]") {
    REQUIRE(to_string(TaskState::kCreated) == "CREATED");
    REQUIRE(to_string(TaskState::kInitializing) == "INITIALIZING");
    REQUIRE(to_string(TaskState::kRunning) == "RUNNING");
    REQUIRE(to_string(TaskState::kFinished) == "FINISHED");
    REQUIRE(to_string(TaskState::kFailed) == "FAILED");
    REQUIRE(to_string(TaskState::kCanceled) == "CANCELED");
}

TEST_CASE("The legal moves of a task are these and no others", "[task][task_state]") {
    const std::set<std::pair<std::string, std::string>> legal{
        {"CREATED", "INITIALIZING"}, {"CREATED", "FAILED"},      {"CREATED", "CANCELED"},
        {"INITIALIZING", "RUNNING"}, {"INITIALIZING", "FAILED"}, {"INITIALIZING", "CANCELED"},
        {"RUNNING", "FINISHED"},     {"RUNNING", "FAILED"},      {"RUNNING", "CANCELED"}};
    for (int from = 0; from <= static_cast<int>(TaskState::kCanceled); ++from) {
        for (int to = 0; to <= static_cast<int>(TaskState::kCanceled); ++to) {
            const auto a = static_cast<TaskState>(from);
            const auto b = static_cast<TaskState>(to);
            CAPTURE(to_string(a), to_string(b));
            REQUIRE(is_legal_move(a, b) ==
                    legal.contains({std::string(to_string(a)), std::string(to_string(b))}));
            if (is_terminal(a)) REQUIRE_FALSE(is_legal_move(a, b));
        }
    }
}

}  // namespace
}  // namespace millrace::task
