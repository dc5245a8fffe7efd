#include "memory/buffer_requirements.h"

#include <catch2/catch.hpp>

namespace millrace::memory {
namespace {

using Need = std::pair<std::uint64_t, std::uint64_t>;

Need of(const BufferNeed& need) { return {need.required, need.target}; }

}  // namespace

TEST_CASE("Four by four hash-connected tasks need 56 buffers and can use 128",
          "[memory][buffer_requirements]") {
    const BufferSettings settings;
    BufferNeed sum;
    for (int task = 0; task < 4; ++task) {
        sum += need_of_partition(settings, {.remote = 4});
        sum += need_of_gate(settings, {.remote = 4}).need;
    }
    CHECK(of(sum) == Need{56, 128});
    CHECK(sum.target * 32768 == 4 << 20);
}

TEST_CASE("Channels inside one process need no exclusive buffers",
          "[memory][buffer_requirements]") {
    const BufferSettings settings;
    CHECK(of(need_of_gate(settings, {.remote = 1, .local = 3}).need) == Need{3, 10});
    CHECK(of(need_of_gate(settings, {.local = 4}).need) == Need{0, 0});
    CHECK(of(need_of_partition(settings, {.remote = 2, .local = 2})) == Need{3, 12});
    CHECK(of(need_of_partition(settings, {.local = 4})) == Need{0, 0});
}

TEST_CASE("A gate's maximum takes exclusive buffers, not the target",
          "[memory][buffer_requirements]") {
    const BufferSettings settings{.required_per_gate_max = 1000};
    const GateNeed below = need_of_gate(settings, {.remote = 499});
    CHECK(of(below.need) == Need{999, 1006});
    CHECK(below.exclusive_per_channel == 2);
    const GateNeed above = need_of_gate(settings, {.remote = 600});
    CHECK(of(above.need) == Need{1000, 1208});
    CHECK(above.exclusive_per_channel == 1);  // (1000 - 1) / 600
    CHECK(above.floating_required == 400);
    CHECK(above.floating_max == 608);
    CHECK(need_of_gate(settings, {.remote = 2000}).exclusive_per_channel == 0);
}

TEST_CASE("A target is never below what is required", "[memory][buffer_requirements]") {
    const BufferSettings settings{.buffers_per_channel = 0, .floating_buffers_per_gate = 0};
    CHECK(of(need_of_gate(settings, {.remote = 3}).need) == Need{1, 1});
    CHECK(of(need_of_partition(settings, {.remote = 3})) == Need{4, 4});
}

}  // namespace millrace::memory
