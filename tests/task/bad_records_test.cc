#include "runtime/task/bad_records.h"

#include <catch2/catch.hpp>

#include "tests/support/manual_clock.h"

namespace millrace::task {
namespace {

using std::chrono::seconds;
using test::ManualClock;

TEST_CASE("BadRecordShare is the share of the last minute", "[task][bad_records]") {
    ManualClock clock;
    BadRecordShare share;
    REQUIRE(share.share(clock.now()) == 0);
    share.add(0, 5, clock.now());
    REQUIRE(share.share(clock.now()) == 1);
    clock.advance(seconds(30));
    share.add(95, 0, clock.now());
    REQUIRE(share.share(clock.now()) == Approx(0.05));
    REQUIRE(share.all(clock.now()) == 100);
    clock.advance(seconds(29));
    REQUIRE(share.bad(clock.now()) == 5);
    clock.advance(seconds(1));  // The first ones are a minute old.
    REQUIRE(share.bad(clock.now()) == 0);
    REQUIRE(share.all(clock.now()) == 95);
    clock.advance(seconds(600));
    REQUIRE(share.all(clock.now()) == 0);
}

TEST_CASE("BadRecordShare forgets a second that comes round again", "[task][bad_records]") {
    ManualClock clock;
    BadRecordShare share;
    share.add(10, 10, clock.now());
    clock.advance(seconds(60));
    share.add(1, 0, clock.now());
    REQUIRE(share.all(clock.now()) == 1);
}

}  // namespace
}  // namespace millrace::task
