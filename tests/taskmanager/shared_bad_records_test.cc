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

TEST_CASE("SharedBadRecords fails when nothing but bad records was read, however few",
          "[taskmanager][bad_records]") {
    SharedBadRecords records("ctr", 0.01);
    for (int i = 0; i < 3; ++i) REQUIRE(reject(records));
    const Status stopped = records.on_all_bad("rows", 3);
    REQUIRE_FALSE(stopped);
    CHECK(stopped.error().code == Code::kInvalidArgument);
    REQUIRE_THAT(stopped.error().message, Contains("rows: all records that it read, 3 of them") &&
                                              Contains("record 77 of clicks/3") &&
                                              Contains("not an object. Hint"));
}

TEST_CASE("SharedBadRecords lets a job end whose records may all be bad",
          "[taskmanager][bad_records]") {
    SharedBadRecords records("ctr", 1);
    REQUIRE(reject(records));
    REQUIRE(records.on_all_bad("rows", 1));
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
