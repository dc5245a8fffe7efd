#include "operators/print_sink.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <csignal>
#include <string>

#include <catch2/catch.hpp>
#include <fcntl.h>
#include <unistd.h>

#include "blocking_thread.h"
#include "operator_world.h"
#include "operators/discard_sink.h"
#include "runtime/state/memory_snapshot.h"

namespace millrace::operators {
namespace {

using test::CollectingOutput;
using test::OperatorWorld;

// A sink that prints into a pipe.
struct PrintWorld {
    PrintWorld() {
        REQUIRE(::pipe2(pipe.data(), O_CLOEXEC) == 0);
        sink = std::make_unique<PrintSink>(std::make_unique<test::BarEncoder>(), blocking.submit(),
                                           pipe[1]);
        REQUIRE(sink->open(world.context()));
    }
    ~PrintWorld() { sink->close(); }
    // Calls until done; false when it was blocked.
    bool call(const std::function<Result<Progress>()>& one) {
        const auto progress = one();
        REQUIRE(progress);
        return *progress == Progress::kDone;
    }
    std::string read_pipe(std::size_t bytes) {
        std::string text(bytes, '\0');
        std::size_t got = 0;
        while (got < bytes) {
            const ssize_t n = ::read(pipe[0], text.data() + got, bytes - got);
            REQUIRE(n > 0);
            got += static_cast<std::size_t>(n);
        }
        return text;
    }

    SystemClock clock;
    OperatorWorld world{clock};
    test::BlockingThread blocking;  // Its work holds memory of the world.
    std::array<int, 2> pipe{};
    std::unique_ptr<PrintSink> sink;
    CollectingOutput out;
};

}  // namespace

TEST_CASE("PrintSink prints a line a row", "[operators][print_sink]") {
    PrintWorld world;
    const auto schema = test::text_schema({"a", "b"});
    const auto batch = test::text_batch(world.world, schema, {{"1", "x"}, {"2", "y"}});
    CHECK(world.call([&] { return world.sink->process(batch, 0, world.out); }));
    // Without more rows they come out by themselves.
    test::eventually(world.world.bell, [&] {
        return world.clock.now() >= world.sink->next_tick() && world.sink->on_tick(world.out);
    });
    CHECK(world.read_pipe(8) == "1|x\n2|y\n");
}

TEST_CASE("PrintSink blocks while nobody reads, with bounded memory, and loses nothing",
          "[operators][print_sink]") {
    PrintWorld world;
    const auto schema = test::text_schema({"a"});
    const std::string line(1000, 'x');
    const auto batch =
        test::text_batch(world.world, schema, std::vector<std::vector<std::string>>(1000, {line}));
    const auto process = [&] { return world.sink->process(batch, 0, world.out); };
    // One megabyte does not fit into two buffers and a pipe.
    CHECK_FALSE(world.call(process));
    CHECK_FALSE(world.call(process));
    std::thread reader([&] {
        const std::string text = world.read_pipe(1001 * 1000);
        CHECK(std::count(text.begin(), text.end(), '\n') == 1000);
    });
    test::eventually(world.world.bell, [&] { return world.call(process); });
    test::eventually(world.world.bell,
                     [&] { return world.call([&] { return world.sink->on_end(world.out); }); });
    reader.join();
}

TEST_CASE("PrintSink that is closed while nobody reads lets its thread go",
          "[operators][print_sink]") {
    PrintWorld world;
    const std::string line(1000, 'x');
    const auto batch = test::text_batch(world.world, test::text_schema({"a"}),
                                        std::vector<std::vector<std::string>>(1000, {line}));
    CHECK_FALSE(world.call([&] { return world.sink->process(batch, 0, world.out); }));
    world.sink->close();
    std::atomic<bool> is_free{false};
    (void)world.blocking.submit()([&] { is_free = true; });
    test::eventually(world.world.bell, [&] { return is_free.load(); });
}

TEST_CASE("PrintSink that nobody reads lets others have its thread, and goes on when somebody does",
          "[operators][print_sink]") {
    PrintWorld world;
    const std::string line(1000, 'x');
    const auto batch = test::text_batch(world.world, test::text_schema({"a"}),
                                        std::vector<std::vector<std::string>>(1000, {line}));
    const auto process = [&] { return world.sink->process(batch, 0, world.out); };
    const auto tick_if_due = [&] {
        if (world.clock.now() >= world.sink->next_tick()) REQUIRE(world.sink->on_tick(world.out));
    };
    REQUIRE_FALSE(world.call(process));
    // More than once: it is tried again, and given up again.
    for (int i = 0; i < 3; ++i) {
        std::atomic<bool> had_its_turn{false};
        REQUIRE(world.blocking.submit()([&] { had_its_turn = true; }));
        test::eventually(world.world.bell, [&] {
            tick_if_due();
            return had_its_turn.load();
        });
        CHECK_FALSE(world.call(process));
    }
    std::thread reader([&] {
        const std::string text = world.read_pipe(1001 * 1000);
        CHECK(std::count(text.begin(), text.end(), '\n') == 1000);
    });
    test::eventually(world.world.bell, [&] {
        tick_if_due();
        return world.call(process);
    });
    test::eventually(world.world.bell, [&] {
        tick_if_due();
        return world.call([&] { return world.sink->on_end(world.out); });
    });
    reader.join();
}

TEST_CASE("PrintSink fails when nobody can read any more", "[operators][print_sink]") {
    std::signal(SIGPIPE, SIG_IGN);
    PrintWorld world;
    ::close(world.pipe[0]);
    const auto batch = test::text_batch(world.world, test::text_schema({"a"}), {{"1"}});
    REQUIRE(world.sink->process(batch, 0, world.out));
    std::optional<Error> error;
    test::eventually(world.world.bell, [&] {
        const auto progress = world.sink->on_end(world.out);
        if (!progress) error = progress.error();
        return error.has_value();
    });
    CHECK(error->message == "cannot write to standard output: Broken pipe");
}

TEST_CASE("DiscardSink counts what it takes", "[operators][discard_sink]") {
    const SystemClock clock;
    OperatorWorld world(clock);
    CollectingOutput out;
    DiscardSink sink;
    REQUIRE(sink.open(world.context()));
    const auto batch = test::text_batch(world, test::text_schema({"a"}), {{"1"}, {"2"}, {"3"}});
    CHECK(sink.process(batch, 0, out) == Progress::kDone);
    CHECK(sink.process(batch, 0, out) == Progress::kDone);
    CHECK(world.metrics.value_of("millrace_discarded_rows_total") == 6.0);
}

}  // namespace millrace::operators
