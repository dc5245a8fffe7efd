#include "operators/file_sink.h"

#include <filesystem>
#include <fstream>
#include <sstream>

#include <catch2/catch.hpp>

#include "blocking_thread.h"
#include "operator_world.h"
#include "runtime/state/memory_snapshot.h"
#include "tests/support/manual_clock.h"
#include "tests/support/temp_dir.h"

namespace millrace::operators {
namespace {

using test::CollectingOutput;
using test::OperatorWorld;

struct FileSinkWorld {
    explicit FileSinkWorld(std::string path, std::uint32_t subtask = 0,
                           std::uint32_t parallelism = 1)
        : sink(std::move(path), std::make_unique<test::BarEncoder>(), blocking.submit()) {
        world.context().subtask = subtask;
        world.context().parallelism = parallelism;
        REQUIRE(sink.open(world.context()));
    }
    ~FileSinkWorld() { sink.close(); }

    void write(const std::vector<std::vector<std::string>>& rows) {
        const auto batch = test::text_batch(world, test::text_schema({"a", "b"}), rows);
        until_done([&] { return sink.process(batch, 0, out); });
    }
    void until_done(const std::function<Result<Progress>()>& call) {
        test::eventually(world.bell, [&] {
            const auto progress = call();
            REQUIRE(progress);
            return *progress == Progress::kDone;
        });
    }
    void end() {
        until_done([&] { return sink.on_end(out); });
    }

    SystemClock clock;
    OperatorWorld world{clock};
    test::BlockingThread blocking;  // Its work holds memory of the world.
    FileSink sink;
    CollectingOutput out;
};

std::string content(const std::string& path) {
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
}

}  // namespace

TEST_CASE("FileSink shows its file when the input has ended", "[operators][file_sink]") {
    const support::TempDir folder;
    const std::string path = (folder.path() / "out.jsonl").string();
    FileSinkWorld world(path);
    world.write({{"1", "x"}, {"2", "y"}});
    CHECK_FALSE(std::filesystem::exists(path));
    world.end();
    CHECK(content(path) == "1|x\n2|y\n");
    CHECK_FALSE(std::filesystem::exists(path + ".partial"));
}

TEST_CASE("FileSink writes an empty file for an empty input", "[operators][file_sink]") {
    const support::TempDir folder;
    const std::string path = (folder.path() / "out.jsonl").string();
    FileSinkWorld world(path);
    world.end();
    CHECK(std::filesystem::file_size(path) == 0);
}

TEST_CASE("FileSink gives each subtask a file of its own", "[operators][file_sink]") {
    const support::TempDir folder;
    const std::string path = (folder.path() / "out.jsonl").string();
    FileSinkWorld world(path, 3, 4);
    world.write({{"1", "x"}});
    world.end();
    CHECK(content(path + ".3") == "1|x\n");
}

TEST_CASE("FileSink holds each row once after a restore", "[operators][file_sink]") {
    const support::TempDir folder;
    const std::string path = (folder.path() / "out.jsonl").string();
    state::MemorySnapshot snapshot;
    {
        FileSinkWorld first(path);
        first.write({{"1", "x"}});
        first.until_done([&] { return first.sink.snapshot(1, snapshot); });
        // What comes behind the snapshot is written again by the next run.
        first.write({{"2", "lost"}});
        test::eventually(first.world.bell, [&] {
            return first.clock.now() >= first.sink.next_tick() && first.sink.on_tick(first.out);
        });
    }
    FileSinkWorld second(path);
    REQUIRE(second.sink.restore(snapshot));
    second.write({{"2", "y"}});
    second.end();
    CHECK(content(path) == "1|x\n2|y\n");
}

TEST_CASE("FileSink begins anew without a snapshot", "[operators][file_sink]") {
    const support::TempDir folder;
    const std::string path = (folder.path() / "out.jsonl").string();
    std::ofstream(path + ".partial") << "old and longer than what comes now\n";
    FileSinkWorld world(path);
    world.write({{"1", "x"}});
    world.end();
    CHECK(content(path) == "1|x\n");
}

// Keeps slow work for later.
struct LateWork {
    RunBlocking submit() {
        return [this](std::function<void()> one) {
            work.push_back(std::move(one));
            return Status();
        };
    }
    std::vector<std::function<void()>> work;
};

TEST_CASE("FileSink waits for a write of the attempt before, which lands nowhere else",
          "[operators][file_sink]") {
    const support::TempDir folder;
    const std::string path = (folder.path() / "out.jsonl").string();
    const SystemClock clock;
    LateWork late;
    OperatorWorld old_world(clock);
    {
        CollectingOutput out;
        FileSink old(path, std::make_unique<test::BarEncoder>(), late.submit());
        REQUIRE(old.open(old_world.context()));
        const auto batch = test::text_batch(old_world, test::text_schema({"a"}), {{"old"}});
        REQUIRE(old.process(batch, 0, out) == Progress::kDone);
        REQUIRE(old.on_end(out) == Progress::kBlocked);
        old.close();
    }
    REQUIRE(late.work.size() == 1);
    FileSinkWorld next(path);
    const auto batch = test::text_batch(next.world, test::text_schema({"a"}), {{"new"}});
    CHECK(next.sink.process(batch, 0, next.out) == Progress::kBlocked);
    CHECK(next.sink.next_tick() <= next.clock.now() + FileSink::kLockEvery);
    const std::uint64_t rings = next.world.bell.rings();
    late.work.front()();
    late.work.clear();
    test::eventually(next.world.bell, [&] {
        if (next.clock.now() >= next.sink.next_tick()) REQUIRE(next.sink.on_tick(next.out));
        return next.world.bell.rings() != rings;
    });
    next.write({{"new", "x"}});
    next.end();
    CHECK(content(path) == "new|x\n");
}

TEST_CASE("FileSink gives up when its file stays another writer's", "[operators][file_sink]") {
    const support::TempDir folder;
    const std::string path = (folder.path() / "out.jsonl").string();
    FileSinkWorld first(path);
    first.write({{"1", "x"}});
    millrace::test::ManualClock clock;
    OperatorWorld world(clock);
    CollectingOutput out;
    FileSink second(path, std::make_unique<test::BarEncoder>(), first.blocking.submit());
    REQUIRE(second.open(world.context()));
    REQUIRE(second.on_end(out) == Progress::kBlocked);
    clock.advance(FileSink::kLockMax);
    const Status ticked = second.on_tick(out);
    REQUIRE_FALSE(ticked);
    CHECK(ticked.error().code == Code::kUnavailable);
    CHECK_THAT(ticked.error().message, Catch::Contains(path + ".partial is still being written"));
    second.close();
}

TEST_CASE("FileSink takes its buffers from the slot and gives them back",
          "[operators][file_sink]") {
    const support::TempDir folder;
    FileSinkWorld world((folder.path() / "out.jsonl").string());
    const std::size_t before = world.world.memory.slot().bytes_in_use();
    world.end();
    CHECK(world.world.memory.slot().bytes_in_use() == before + 2 * RowWriter::kBufferBytes);
    world.sink.close();
    CHECK(world.world.memory.slot().bytes_in_use() == before);
}

TEST_CASE("FileSink names the file that it cannot write", "[operators][file_sink]") {
    const support::TempDir folder;
    SECTION("there is no such folder") {
        FileSinkWorld world((folder.path() / "no" / "out").string());
        const auto ended = world.sink.on_end(world.out);
        REQUIRE_FALSE(ended);
        CHECK(ended.error().code == Code::kNotFound);
        CHECK_THAT(ended.error().message, Catch::Contains("/no/out.partial: No such file"));
    }
    SECTION("a folder has its name, which no further attempt would mend") {
        FileSinkWorld world(folder.path().string());
        const auto ended = world.sink.on_end(world.out);
        REQUIRE_FALSE(ended);
        CHECK(ended.error().code == Code::kInvalidArgument);
        CHECK_THAT(ended.error().message, Catch::Contains("it is a folder, not a regular file"));
    }
    SECTION("a device has its name, which would be a file afterwards") {
        const std::string path = (folder.path() / "out").string();
        std::filesystem::create_symlink("/dev/null", path);
        FileSinkWorld world(path);
        const auto ended = world.sink.on_end(world.out);
        REQUIRE_FALSE(ended);
        CHECK(ended.error().code == Code::kInvalidArgument);
        CHECK_THAT(ended.error().message, Catch::Contains("it is a device, not a regular file"));
        CHECK(std::filesystem::is_symlink(path));
        CHECK_FALSE(std::filesystem::exists(path + ".partial"));
    }
    SECTION("the disk is full") {
        std::filesystem::create_symlink("/dev/full", folder.path() / "out.partial");
        FileSinkWorld world((folder.path() / "out").string());
        world.write({{"1", "x"}});
        std::optional<Error> error;
        test::eventually(world.world.bell, [&] {
            const auto ended = world.sink.on_end(world.out);
            if (!ended) error = ended.error();
            return error.has_value();
        });
        CHECK_THAT(error->message, Catch::Contains("No space left on device"));
    }
    SECTION("it is shorter than the snapshot says") {
        state::MemorySnapshot snapshot;
        {
            FileSinkWorld first((folder.path() / "out").string());
            first.write({{"1", "x"}});
            first.until_done([&] { return first.sink.snapshot(1, snapshot); });
        }
        std::filesystem::resize_file(folder.path() / "out.partial", 2);
        FileSinkWorld second((folder.path() / "out").string());
        REQUIRE(second.sink.restore(snapshot));
        const auto ended = second.sink.on_end(second.out);
        REQUIRE_FALSE(ended);
        CHECK(ended.error().code == Code::kCorruption);
        CHECK_THAT(ended.error().message, Catch::Contains("2 bytes, fewer than the snapshot's 4"));
    }
}

}  // namespace millrace::operators
