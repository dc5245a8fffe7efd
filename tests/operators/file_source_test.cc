#include "operators/file_source.h"

#include <cstdio>
#include <filesystem>
#include <fstream>

#include <catch2/catch.hpp>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "operator_world.h"
#include "operators/row_writer.h"
#include "runtime/state/memory_snapshot.h"
#include "source_runner.h"
#include "tests/support/temp_dir.h"

namespace millrace::operators {
namespace {

using test::CollectingOutput;
using test::OperatorWorld;

struct FileWorld {
    explicit FileWorld(std::string path, bool header = false, BatchingOptions batching = {})
        : source({.path = std::move(path), .header = header, .batching = batching},
                 [this](std::optional<std::string_view> line)
                     -> Result<std::unique_ptr<RecordDecoder>> {
                     if (line) seen_header = std::string(*line);
                     return std::make_unique<test::LineDecoder>();
                 }) {}
    ~FileWorld() {
        out.batches.clear();
        source.close();
    }
    Status start(state::SnapshotReader* snapshot = nullptr) {
        MILLRACE_TRY(source.open(world.context()));
        if (snapshot != nullptr) MILLRACE_TRY(source.restore(*snapshot));
        const Split split{.index = 0, .name = "clicks.csv"};
        return source.add_splits(std::span(&split, 1));
    }
    Result<Progress> run(int polls = 100'000) { return test::run(source, out, polls); }

    SystemClock clock;
    OperatorWorld world{clock};
    std::string seen_header;
    FileSource source;
    CollectingOutput out;
};

std::string write(const support::TempDir& folder, const std::string& name,
                  const std::string& text) {
    const std::string path = (folder.path() / name).string();
    std::ofstream(path, std::ios::binary) << text;
    return path;
}

// Compressed by another program.
std::string gzip(const std::string& path) {
    REQUIRE(std::system(fmt::format("gzip -c {0} > {0}.gz", path).c_str()) == 0);
    return path + ".gz";
}

std::string numbered(int count) {
    std::string text;
    for (int i = 0; i < count; ++i) text += fmt::format("line {}\n", i);
    return text;
}

}  // namespace

TEST_CASE("FileSource reads every line once and ends", "[operators][file_source]") {
    const support::TempDir folder;
    const std::string plain = write(folder, "clicks.txt", "a\nb\r\nlast");
    const bool zipped = GENERATE(false, true);
    CAPTURE(zipped);
    FileWorld world(zipped ? gzip(plain) : plain);
    REQUIRE(world.start());
    CHECK(world.run() == Progress::kEnd);
    CHECK(world.out.rows() == std::vector<std::string>{"0:0:a", "0:1:b", "0:2:last"});
}

TEST_CASE("FileSource hands the header to the decoder and counts it as line 0",
          "[operators][file_source]") {
    const support::TempDir folder;
    FileWorld world(write(folder, "clicks.csv", "id,bid\n1,2\n3,4\n"), true);
    REQUIRE(world.start());
    CHECK(world.run() == Progress::kEnd);
    CHECK(world.seen_header == "id,bid");
    CHECK(world.out.rows() == std::vector<std::string>{"0:1:1,2", "0:2:3,4"});
}

TEST_CASE("FileSource rejects bad and over-long lines by their number",
          "[operators][file_source]") {
    const support::TempDir folder;
    FileWorld world(write(folder, "clicks.txt", "a\n" + std::string(101, 'x') + "\nbad\nb\n"),
                    false, {.record_bytes_max = 100});
    REQUIRE(world.start());
    CHECK(world.run() == Progress::kEnd);
    CHECK(world.out.rows() == std::vector<std::string>{"0:0:a", "0:3:b"});
    CHECK(world.out.rejected ==
          std::vector<test::Rejected>{{"too_long", "", "", "clicks.csv", {0, 1, 0}},
                                      {"bad_line", "bad", "", "clicks.csv", {0, 2, 0}}});
}

TEST_CASE("FileSource goes on after a restore where its snapshot was taken",
          "[operators][file_source]") {
    const support::TempDir folder;
    const bool header = GENERATE(false, true);
    const bool zipped = GENERATE(false, true);
    const int polls = GENERATE(0, 1, 3, 4, 6, 9);
    CAPTURE(header, zipped, polls);
    const std::string plain = write(folder, "clicks.txt", (header ? "h\n" : "") + numbered(5000));
    const std::string path = zipped ? gzip(plain) : plain;
    state::MemorySnapshot snapshot;
    std::vector<std::string> rows;
    {
        FileWorld first(path, header, {.linger = std::chrono::hours(1)});
        REQUIRE(first.start());
        REQUIRE(first.run(polls));
        REQUIRE(first.source.snapshot(1, snapshot));
        rows = first.out.rows();
    }
    FileWorld second(path, header);
    REQUIRE(second.start(&snapshot));
    CHECK(second.run() == Progress::kEnd);
    for (const auto& row : second.out.rows()) rows.push_back(row);
    REQUIRE(rows.size() == 5000);
    CHECK(rows.front() == fmt::format("0:{}:line 0", header ? 1 : 0));
    CHECK(rows[2500] == fmt::format("0:{}:line 2500", header ? 2501 : 2500));
    CHECK(rows.back() == fmt::format("0:{}:line 4999", header ? 5000 : 4999));
}

TEST_CASE("FileSource without a split has ended", "[operators][file_source]") {
    FileWorld world("/nowhere");
    REQUIRE(world.source.open(world.world.context()));
    REQUIRE(world.source.add_splits({}));
    CHECK(world.run() == Progress::kEnd);
}

TEST_CASE("FileSource names the file that it cannot read", "[operators][file_source]") {
    const support::TempDir folder;
    SECTION("it is not there") {
        FileWorld world((folder.path() / "none").string());
        REQUIRE(world.start());
        const auto result = world.run();
        REQUIRE_FALSE(result);
        CHECK(result.error().code == Code::kNotFound);
        CHECK_THAT(result.error().message, Catch::Contains("/none: No such file"));
    }
    SECTION("it is a folder, which no further attempt would mend") {
        FileWorld world(folder.path().string());
        REQUIRE(world.start());
        const auto result = world.run();
        REQUIRE_FALSE(result);
        CHECK(result.error().code == Code::kInvalidArgument);
        CHECK_THAT(result.error().message, Catch::Contains("it is a folder, not a regular file"));
    }
    SECTION("its gzip data is cut off") {
        const std::string zipped = gzip(write(folder, "a", numbered(5000)));
        REQUIRE(std::system(fmt::format("truncate -s 1000 {}", zipped).c_str()) == 0);
        FileWorld world(zipped);
        REQUIRE(world.start());
        const auto result = world.run();
        REQUIRE_FALSE(result);
        CHECK(result.error().code == Code::kCorruption);
        CHECK_THAT(result.error().message, Catch::Contains("ends inside its gzip data"));
    }
    SECTION("its gzip data is damaged") {
        const std::string zipped = gzip(write(folder, "a", numbered(5000)));
        std::fstream file(zipped, std::ios::in | std::ios::out | std::ios::binary);
        file.seekp(500);
        file << "damaged damaged damaged";
        file.close();
        FileWorld world(zipped);
        REQUIRE(world.start());
        const auto result = world.run();
        REQUIRE_FALSE(result);
        CHECK(result.error().code == Code::kCorruption);
    }
    SECTION("it became shorter than the snapshot says") {
        const std::string zipped = gzip(write(folder, "a", "one\ntwo\n"));
        state::MemorySnapshot snapshot;
        const SplitPosition far{.split = 0, .next_ordinal = 100, .next_byte = 1000};
        REQUIRE(write_positions(snapshot, std::span(&far, 1)));
        FileWorld world(zipped);
        REQUIRE(world.start(&snapshot));
        const auto result = world.run();
        REQUIRE_FALSE(result);
        CHECK_THAT(result.error().message, Catch::Contains("8 bytes, not 1000"));
    }
}

// Any of these could hold up its worker for ever: nobody writes to the pipe, and the device has no
// end.
TEST_CASE("FileSource refuses what is no regular file at once", "[operators][file_source]") {
    const support::TempDir folder;
    const auto [device, kind] = GENERATE(table<std::string, std::string>(
        {{"", "a named pipe"}, {"/dev/zero", "a device"}, {"/dev/null", "a device"}}));
    const std::string path = device.empty() ? (folder.path() / "pipe").string() : device;
    if (device.empty()) REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
    const bool header = GENERATE(false, true);
    CAPTURE(path, header);
    FileWorld world(path, header);
    REQUIRE(world.start());
    const auto result = world.run();
    REQUIRE_FALSE(result);
    CHECK(result.error().code == Code::kInvalidArgument);
    CHECK_THAT(result.error().message,
               Catch::StartsWith(fmt::format(
                   "cannot read file {}: it is {}, not a regular file. Hint:", path, kind)));
}

TEST_CASE("FileSource refuses a socket's name", "[operators][file_source]") {
    const support::TempDir folder;
    sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
    const std::string path = (folder.path() / "s").string();
    REQUIRE(path.size() < sizeof address.sun_path);
    path.copy(address.sun_path, path.size());
    const Descriptor socket(::socket(AF_UNIX, SOCK_STREAM, 0), Descriptor::Ownership::kOwned);
    REQUIRE(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    FileWorld world(path);
    REQUIRE(world.start());
    const auto result = world.run();
    REQUIRE_FALSE(result);
    CHECK(result.error().code == Code::kInvalidArgument);
}

TEST_CASE("FileSource takes a header line as long as a record may be", "[operators][file_source]") {
    const support::TempDir folder;
    const std::string header(100, 'h');
    FileWorld world(write(folder, "clicks.csv", header + "\na\n"), true, {.record_bytes_max = 100});
    REQUIRE(world.start());
    CHECK(world.run() == Progress::kEnd);
    CHECK(world.seen_header == header);
}

// The file has 2^40 bytes that take no room on disk; reading them all would take minutes.
TEST_CASE("FileSource gives up on a header line that has no end", "[operators][file_source]") {
    const support::TempDir folder;
    const bool endless = GENERATE(false, true);
    CAPTURE(endless);
    const std::string path = write(folder, "clicks.csv", std::string(101, 'h') + "\na\n");
    if (endless) {
        std::filesystem::resize_file(path, 0);
        std::filesystem::resize_file(path, std::uintmax_t{1} << 40);
    }
    FileWorld world(path, true, {.record_bytes_max = 100});
    REQUIRE(world.start());
    const auto result = world.run();
    REQUIRE_FALSE(result);
    CHECK(result.error().code == Code::kCorruption);
    CHECK_THAT(result.error().message,
               Catch::Contains("clicks.csv has no header line of at most 100 bytes. Hint:"));
}

TEST_CASE("FileSource reads gzip files that were put one behind the other",
          "[operators][file_source]") {
    const support::TempDir folder;
    const std::string one = gzip(write(folder, "a", "a\nb"));
    const std::string two = gzip(write(folder, "b", "c\nd\n"));
    const std::string both = (folder.path() / "both.gz").string();
    REQUIRE(std::system(fmt::format("cat {} {} > {}", one, two, both).c_str()) == 0);
    FileWorld world(both);
    REQUIRE(world.start());
    CHECK(world.run() == Progress::kEnd);
    CHECK(world.out.rows() == std::vector<std::string>{"0:0:a", "0:1:bc", "0:2:d"});
}

}  // namespace millrace::operators
