#include "runtime/task/time_ledger.h"

#include <catch2/catch.hpp>

#include "runtime/base/random.h"
#include "runtime/task/window_rate.h"
#include "tests/support/manual_clock.h"

namespace millrace::task {
namespace {

using std::chrono::milliseconds;
using test::ManualClock;

double sum(const TimeLedger::Rates& rates) {
    return rates.idle_ms + rates.busy_ms + rates.back_pressured_ms;
}

TEST_CASE("TimeLedger measures each use in milliseconds per second", "[task][time_ledger]") {
    ManualClock clock;
    TimeLedger ledger(clock.now());
    ledger.enter(TimeUse::kBusy, clock.now());
    clock.advance(milliseconds(300));
    ledger.enter(TimeUse::kBackPressured, clock.now());
    clock.advance(milliseconds(200));
    ledger.enter(TimeUse::kIdle, clock.now());
    clock.advance(milliseconds(500));
    const TimeLedger::Rates rates = ledger.rates(clock.now());
    REQUIRE(rates.busy_ms == Approx(300));
    REQUIRE(rates.back_pressured_ms == Approx(200));
    REQUIRE(rates.idle_ms == Approx(500));
}

TEST_CASE("TimeLedger counts a use that has not ended", "[task][time_ledger]") {
    ManualClock clock;
    TimeLedger ledger(clock.now());
    ledger.enter(TimeUse::kBusy, clock.now());
    clock.advance(milliseconds(4000));
    REQUIRE(ledger.rates(clock.now()).busy_ms == Approx(1000));
    REQUIRE(ledger.totals(clock.now()).busy == milliseconds(4000));
    REQUIRE(ledger.current() == TimeUse::kBusy);
}

TEST_CASE("TimeLedger answers from the last full second, however often it is asked",
          "[task][time_ledger]") {
    ManualClock clock;
    TimeLedger ledger(clock.now());
    clock.advance(milliseconds(1000));
    REQUIRE(ledger.rates(clock.now()).idle_ms == Approx(1000));
    ledger.enter(TimeUse::kBusy, clock.now());
    clock.advance(milliseconds(999));
    REQUIRE(ledger.rates(clock.now()).idle_ms == Approx(1000));
    clock.advance(milliseconds(1));
    REQUIRE(ledger.rates(clock.now()).busy_ms == Approx(1000));
}

TEST_CASE("The three rates of a TimeLedger sum to 1000 within 5", "[task][time_ledger]") {
    const auto seed = GENERATE(range(1, 30));
    CAPTURE(seed);
    Random random(static_cast<std::uint64_t>(seed));
    ManualClock clock;
    TimeLedger ledger(clock.now());
    for (int i = 0; i < 3000; ++i) {
        clock.advance(Duration(static_cast<std::int64_t>(1 + random.below(2'000'000))));
        ledger.enter(static_cast<TimeUse>(random.below(3)), clock.now());
        const double total = sum(ledger.rates(clock.now()));
        if (std::abs(total - 1000) > 5) FAIL("sum is " << total);
    }
}

TEST_CASE("WindowRate is the growth per second of the last full window", "[task][time_ledger]") {
    ManualClock clock;
    WindowRate rate(clock.now());
    REQUIRE(rate.read(0, clock.now()) == 0);
    clock.advance(milliseconds(500));
    REQUIRE(rate.read(100, clock.now()) == Approx(200));
    clock.advance(milliseconds(1500));
    REQUIRE(rate.read(1000, clock.now()) == Approx(500));
    clock.advance(milliseconds(500));
    REQUIRE(rate.read(9000, clock.now()) == Approx(500));
    clock.advance(milliseconds(500));
    REQUIRE(rate.read(1000, clock.now()) == 0);
}

}  // namespace
}  // namespace millrace::task
