#include "runtime/jobmanager/split_plan.h"

#include <catch2/catch.hpp>

#include "tests/graph/job_text.h"
#include "tests/jobmanager/jobmanager_world.h"

namespace millrace::jobmanager {
namespace {

std::vector<proto::SplitAssignment> splits_named(const std::vector<std::string>& names) {
    std::vector<proto::SplitAssignment> splits;
    splits.reserve(names.size());
    for (const std::string& name : names) splits.push_back(split_named(name));
    return splits;
}

std::vector<std::string> names_of(const proto::SourceSplits& splits) {
    std::vector<std::string> names;
    for (const auto& split : splits.splits()) names.push_back(split.name());
    return names;
}

using Names = std::vector<std::string>;

TEST_CASE("SplitPlan numbers splits over all sources of a job", "[jobmanager][split_plan]") {
    SplitPlan plan;
    REQUIRE(plan.add(0, splits_named({"a/0", "a/1"})));
    const auto others = plan.add(1, splits_named({"b/0"}));
    REQUIRE(others);
    REQUIRE(others->front().index() == 2);
    REQUIRE(plan.splits_of(0).back().index() == 1);
    REQUIRE(plan.splits_of(5).empty());
}

TEST_CASE("SplitPlan adds a split once and never renumbers it", "[jobmanager][split_plan]") {
    SplitPlan plan;
    REQUIRE(plan.add(0, splits_named({"a/0", "a/1"})));
    const auto added = plan.add(0, splits_named({"a/0", "a/1", "a/2"}));
    REQUIRE(added);
    REQUIRE(added->size() == 1);
    REQUIRE(added->front().name() == "a/2");
    REQUIRE(added->front().index() == 2);
    REQUIRE(plan.add(0, splits_named({"a/2"}))->empty());
    REQUIRE(plan.splits_of(0).size() == 3);
}

TEST_CASE("SplitPlan gives split i to subtask i modulo the parallelism, old and new alike",
          "[jobmanager][split_plan]") {
    const auto graph = graph::plan(copy_job("copy", 3));
    REQUIRE(graph);
    SplitPlan plan;
    REQUIRE(plan.add(0, splits_named({"a/0", "a/1", "a/2", "a/3"})));
    const auto all = plan.assign(*graph, 0);
    REQUIRE(all.size() == 3);
    CHECK(names_of(all[0]) == Names{"a/0", "a/3"});
    CHECK(names_of(all[1]) == Names{"a/1"});
    CHECK(names_of(all[2]) == Names{"a/2"});
    const auto added = plan.add(0, splits_named({"a/4"}));
    const auto more = plan.assign(*graph, 0, *added);
    REQUIRE(more.size() == 3);
    CHECK(names_of(more[0]).empty());
    CHECK(names_of(more[1]) == Names{"a/4"});
    CHECK(more[1].subtask() == 1);
}

TEST_CASE("SplitPlan leaves subtasks without a split when there are too few",
          "[jobmanager][split_plan]") {
    const auto graph = graph::plan(copy_job("copy", 2));
    SplitPlan plan;
    REQUIRE(plan.add(0, splits_named({"a/0"})));
    const auto all = plan.assign(*graph, 0);
    REQUIRE(names_of(all[0]) == Names{"a/0"});
    REQUIRE(names_of(all[1]).empty());
}

// Comparing each split with every other one would take most of a minute here.
TEST_CASE("SplitPlan takes and shares out as many splits as a job may have",
          "[jobmanager][split_plan]") {
    const auto graph = graph::plan(copy_job("copy", 3));
    REQUIRE(graph);
    std::vector<std::string> names(kSplitsMax);
    for (std::size_t i = 0; i < names.size(); ++i) names[i] = "rows/" + std::to_string(i);
    SplitPlan plan;
    REQUIRE(plan.add(0, splits_named({names[0], names[1]})));
    const auto rest = plan.add(0, splits_named(names));
    REQUIRE(rest);
    REQUIRE(rest->size() == kSplitsMax - 2);
    // Every later look finds the same ones again.
    REQUIRE(plan.add(0, splits_named(names))->empty());
    const auto all = plan.assign(*graph, 0, *rest);
    REQUIRE(all.size() == 3);
    CHECK(all[0].splits_size() == 33'333);  // Without number 0.
    CHECK(all[1].splits_size() == 33'332);  // Without number 1.
    CHECK(all[2].splits_size() == 33'333);
    CHECK(all[0].splits(33'332).name() == "rows/99999");
}

TEST_CASE("SplitPlan refuses more splits than a job may have", "[jobmanager][split_plan]") {
    std::vector<std::string> names(kSplitsMax - 1);
    for (std::size_t i = 0; i < names.size(); ++i) names[i] = std::to_string(i);
    SplitPlan plan;
    REQUIRE(plan.add(0, splits_named(names)));
    const auto refused = plan.add(0, splits_named({"the last", "one more"}));
    REQUIRE_FALSE(refused);
    REQUIRE(refused.error().code == Code::kResourceExhausted);
    REQUIRE_THAT(refused.error().message, Catch::Contains("100000"));
    // None of them was taken, so that the one that fits still is new.
    REQUIRE(plan.splits_of(0).size() == kSplitsMax - 1);
    const auto fits = plan.add(0, splits_named({"the last"}));
    REQUIRE(fits);
    REQUIRE(fits->size() == 1);
    REQUIRE(fits->front().index() == static_cast<int>(kSplitsMax) - 1);
}

proto::AddSplits splits_to_add() {
    proto::AddSplits all;
    all.set_job_id("0123456789abcdef0123456789abcdef");
    all.set_attempt(3);
    for (std::uint32_t subtask = 0; subtask < 3; ++subtask) {
        proto::SourceSplits& part = *all.add_splits();
        part.set_vertex(7);
        part.set_subtask(subtask);
        for (int i = 0; i < 20; ++i)
            *part.add_splits() = split_named(fmt::format("rows/{}", 100 * subtask + i), 5);
    }
    return all;
}

// What is told of each split, and to whom.
std::vector<std::string> told(const std::vector<proto::AddSplits>& messages) {
    std::vector<std::string> lines;
    for (const proto::AddSplits& message : messages) {
        for (const proto::SourceSplits& part : message.splits()) {
            for (const proto::SplitAssignment& split : part.splits())
                lines.push_back(fmt::format("{} {} {} {} {} {}", message.job_id(),
                                            message.attempt(), part.vertex(), part.subtask(),
                                            split.name(), split.start_ordinal()));
        }
    }
    return lines;
}

TEST_CASE("New splits are cut into messages of at most so many bytes", "[jobmanager][split_plan]") {
    const proto::AddSplits all = splits_to_add();
    const std::size_t bytes_max = GENERATE(100U, 101U, 150U, 500U, 1'000U);
    CAPTURE(bytes_max);
    const auto messages = cut_to_fit(all, bytes_max);
    CHECK(told(messages) == told({all}));
    CHECK(messages.size() >= all.ByteSizeLong() / bytes_max);
    for (const proto::AddSplits& message : messages) {
        CHECK(message.ByteSizeLong() <= bytes_max);
        CHECK(message.splits_size() > 0);
    }
}

TEST_CASE("New splits that fit stay in one message, and none need none",
          "[jobmanager][split_plan]") {
    const proto::AddSplits all = splits_to_add();
    CHECK(cut_to_fit(all, 1 << 20).size() == 1);
    CHECK(cut_to_fit({}, 1 << 20).empty());
    // One that is too long for any message goes alone, for the sender to refuse.
    CHECK(cut_to_fit(all, 1).size() == 60);
}

}  // namespace
}  // namespace millrace::jobmanager
