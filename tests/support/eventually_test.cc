#include "tests/support/eventually.h"

#include <atomic>
#include <thread>

#include <catch2/catch.hpp>

namespace millrace::support {

using std::chrono::milliseconds;

TEST_CASE("eventually asks at least once, even without patience", "[support]") {
    int asked = 0;
    REQUIRE(eventually(milliseconds(0), [&] { return ++asked == 1; }));
    REQUIRE_FALSE(eventually(milliseconds(0), [] { return false; }));
}

TEST_CASE("eventually sees what another thread does", "[support]") {
    std::atomic<int> asked{0};
    std::atomic<bool> done{false};
    std::thread other([&] {
        while (asked < 3) {
            std::this_thread::yield();
        }
        done = true;
    });
    REQUIRE(eventually([&] {
        ++asked;
        return done.load();
    }));
    other.join();
    REQUIRE(asked >= 3);
}

TEST_CASE("Deadline never has less than nothing left", "[support]") {
    const Deadline gone(milliseconds(-5));
    REQUIRE(gone.passed());
    REQUIRE(gone.left_ms() == 0);
    const Deadline far(std::chrono::hours(1));
    REQUIRE_FALSE(far.passed());
    REQUIRE(far.left_ms() > 3'500'000);
}

}  // namespace millrace::support
