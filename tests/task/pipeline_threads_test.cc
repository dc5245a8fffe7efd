#include <catch2/catch.hpp>

#include "runtime/task/worker_pool.h"
#include "tests/task/pipeline.h"

namespace millrace::test {
namespace {

const std::vector<PipelineVertex> kDiamond{
    {.parallelism = 2, .rows = 20'000},
    {.parallelism = 2,
     .steps = 1,
     .inputs = {{.from = 0, .way = Way::kForward, .window_bytes = 5000}}},
    {.parallelism = 3, .inputs = {{.from = 0, .way = Way::kRebalance, .window_bytes = 20'000}}},
    {.parallelism = 4,
     .has_sink = true,
     .inputs = {{.from = 1, .way = Way::kKeyHash, .window_bytes = 9000},
                {.from = 2, .way = Way::kBroadcast, .window_bytes = 1}}}};

TEST_CASE("A job on worker threads delivers every row, and its cuts are sound", "[task][threads]") {
    const auto workers = GENERATE(std::size_t{1}, std::size_t{2}, std::size_t{4});
    SystemClock clock;
    Pipeline pipeline(clock, kDiamond, workers, std::numeric_limits<std::size_t>::max());
    task::WorkerPool pool(clock, workers);
    pool.start();
    for (task::Task* task : pipeline.tasks()) pool.add(*task);
    for (std::uint64_t checkpoint = 1; checkpoint <= 20; ++checkpoint) {
        pipeline.trigger(checkpoint);
        if (checkpoint % 5 == 0) {
            for (task::Task* task : pipeline.tasks()) REQUIRE(task->abort(checkpoint).has_value());
        }
    }
    pipeline.listener().running.wait_until_empty();
    pool.stop();
    REQUIRE(pipeline.problems() == std::vector<std::string>{});
}

TEST_CASE("A job is cancelled on worker threads at any moment", "[task][threads]") {
    const auto seed = GENERATE(range(1, 20));
    CAPTURE(seed);
    SystemClock clock;
    Pipeline pipeline(clock, kDiamond, static_cast<std::uint64_t>(seed),
                      std::numeric_limits<std::size_t>::max());
    task::WorkerPool pool(clock, 2);
    pool.start();
    Random random(static_cast<std::uint64_t>(seed));
    const std::vector<task::Task*> tasks = pipeline.tasks();
    for (task::Task* task : tasks) {
        pool.add(*task);
        if (random.below(3) == 0) tasks[random.below(tasks.size())]->cancel();
    }
    for (task::Task* task : tasks) task->cancel();
    pipeline.listener().running.wait_until_empty();
    pool.stop();
    REQUIRE(pipeline.book().broken().empty());
    REQUIRE(pipeline.listener().failures().empty());
    for (task::Task* task : tasks) REQUIRE(is_terminal(task->state()));
}

}  // namespace
}  // namespace millrace::test
