#include "runtime/taskmanager/shared_bad_records.h"

#include <catch2/catch.hpp>

namespace millrace::taskmanager {
namespace {

using Catch::Contains;
using std::chrono::seconds;

constexpr TimePoint kBegin{seconds(1000)};

Status reject(SharedBadRecords& records, TimePoint now = kBegin) {
    return records.on_bad_record("rows",
                                 {.code = "bad_json",
                                  .message = "not an object",
                                  .position = {.split = 0, .ordinal = 77},
                                  .split = "clicks/3"},
                                 now);
}

TEST_CASE("SharedBadRecords fails at the first bad record when none is allowed",
          "[taskmanager][bad_records]") {
    SharedBadRecords records("ctr", 0);
    const Status stopped = reject(records);
    REQUIRE_FALSE(stopped);
    CHECK(stopped.error().code == Code::kInvalidArgument);
    CHECK_THAT(stopped.error().message, Contains("rows") && Contains("record 77 of clicks/3") &&
                                            Contains("not an object") && Contains("stop_if_over"));
}

TEST_CASE("SharedBadRecords never fails when every record may be bad",
          "[taskmanager][bad_records]") {
    SharedBadRecords records("ctr", 1);
    for (int i = 0; i < 5000; ++i) REQUIRE(reject(records));
    REQUIRE(records.total() == 5000);
}

TEST_CASE("SharedBadRecords says nothing before it has seen enough", "[taskmanager][bad_records]") {
    SharedBadRecords records("ctr", 0.01);
    records.on_records_read(SharedBadRecords::kRecordsMin - 11, kBegin);
    for (int i = 0; i < 10; ++i) REQUIRE(reject(records));
    // The thousandth record: 11 of 1,000 are over 1 %.
    const Status stopped = reject(records);
    REQUIRE_FALSE(stopped);
    REQUIRE_THAT(stopped.error().message, Contains("11 of the last minute's 1000"));
}

TEST_CASE("SharedBadRecords judges all that a source read when it ends, however few",
          "[taskmanager][bad_records]") {
    SharedBadRecords records("ctr", 0.01);
    records.add_source("rows");
    records.on_records_read(197, kBegin);
    for (int i = 0; i < 3; ++i) REQUIRE(reject(records));
    SECTION("with good ones among them") {
        const Status stopped = records.on_source_end("rows", 197, 3);
        REQUIRE_FALSE(stopped);
        CHECK(stopped.error().code == Code::kInvalidArgument);
        REQUIRE_THAT(stopped.error().message,
                     Contains("rows: 3 of the 200 records that it read are bad (1.50 %)") &&
                         Contains("allows (1 %)") && Contains("record 77 of clicks/3") &&
                         Contains("not an object. Hint") && Contains("stop_if_over"));
    }
    SECTION("all of them bad") {
        const Status stopped = records.on_source_end("rows", 0, 3);
        REQUIRE_FALSE(stopped);
        REQUIRE_THAT(stopped.error().message, Contains("3 of the 3 records that it read"));
    }
    SECTION("the share that it was given, and not more") {
        REQUIRE(records.on_source_end("rows", 297, 3));
    }
}

TEST_CASE("SharedBadRecords judges a source when the last of its subtasks ends",
          "[taskmanager][bad_records]") {
    SharedBadRecords records("ctr", 0.01);
    for (int i = 0; i < 3; ++i) records.add_source("rows");
    records.add_source("others");
    for (int i = 0; i < 2; ++i) REQUIRE(reject(records));
    REQUIRE(records.on_source_end("rows", 0, 2));
    REQUIRE(records.on_source_end("others", 10'000, 0));
    REQUIRE(records.on_source_end("rows", 90, 0));
    SECTION("and finds too many bad") {
        const Status stopped = records.on_source_end("rows", 8, 0);
        REQUIRE_FALSE(stopped);
        REQUIRE_THAT(stopped.error().message, Contains("2 of the 100 records"));
    }
    SECTION("and finds that those of a small part are few in all") {
        REQUIRE(records.on_source_end("rows", 200, 0));
    }
}

TEST_CASE("SharedBadRecords names the first bad record of the source that it judges",
          "[taskmanager][bad_records]") {
    SharedBadRecords records("ctr", 0.01);
    records.add_source("others");
    records.add_source("rows");
    REQUIRE(records.on_bad_record("others", {.message = "wrong", .split = "first"}, kBegin));
    REQUIRE(reject(records));
    REQUIRE_THAT(records.on_source_end("rows", 0, 1).error().message,
                 Contains("record 77 of clicks/3") && !Contains("wrong"));
}

TEST_CASE("SharedBadRecords lets a job end whose records may all be bad",
          "[taskmanager][bad_records]") {
    SharedBadRecords records("ctr", 1);
    records.add_source("rows");
    REQUIRE(reject(records));
    REQUIRE(records.on_source_end("rows", 0, 1));
}

TEST_CASE("SharedBadRecords allows exactly the share that it was given",
          "[taskmanager][bad_records]") {
    SharedBadRecords records("ctr", 0.01);
    records.on_records_read(9'900, kBegin);
    for (int i = 0; i < 100; ++i) REQUIRE(reject(records));
    REQUIRE_FALSE(reject(records));
}

TEST_CASE("SharedBadRecords forgets what is older than a minute", "[taskmanager][bad_records]") {
    SharedBadRecords records("ctr", 0.01);
    records.on_records_read(9'900, kBegin);
    for (int i = 0; i < 100; ++i) REQUIRE(reject(records));
    const TimePoint later = kBegin + seconds(61);
    records.on_records_read(9'900, later);
    for (int i = 0; i < 100; ++i) REQUIRE(reject(records, later));
    REQUIRE_FALSE(reject(records, later));
    REQUIRE(records.total() == 201);
}

}  // namespace
}  // namespace millrace::taskmanager
