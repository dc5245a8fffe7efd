#include "memory/network_buffer_pool.h"

#include <atomic>
#include <thread>

#include <catch2/catch.hpp>

#include "memory/redistribution.h"
#include "runtime/base/random.h"
#include "tests/memory/aborts.h"
#include "tests/support/heap_count.h"

namespace millrace::memory {
namespace {

using Pool = std::unique_ptr<LocalBufferPool>;

std::unique_ptr<NetworkBufferPool> pool_of(std::uint32_t buffers) {
    auto pool = NetworkBufferPool::create({.buffers = buffers, .buffer_bytes = 4096});
    REQUIRE(pool);
    return std::move(*pool);
}

Pool local(
    NetworkBufferPool& parent, std::uint32_t floor, std::uint32_t ceiling,
    std::function<void()> on_available = [] {}) {
    auto pool = parent.create_pool("gate", {floor, ceiling}, std::move(on_available));
    REQUIRE(pool);
    return std::move(*pool);
}

std::vector<NetworkBuffer> unpooled(NetworkBufferPool& parent, std::uint32_t count) {
    auto buffers = parent.lend_unpooled(count);
    REQUIRE(buffers);
    return std::move(*buffers);
}

std::vector<NetworkBuffer> lend_all(LocalBufferPool& pool) {
    std::vector<NetworkBuffer> buffers;
    while (auto buffer = pool.try_lend()) buffers.push_back(std::move(*buffer));
    return buffers;
}

using Sizes = std::vector<std::uint32_t>;

}  // namespace

// The expected numbers are Flink's (its NetworkBufferPool and BufferPoolFactory tests).
TEST_CASE("NetworkBufferPool redistributes as unpooled buffers come and go",
          "[memory][network_buffer_pool]") {
    const auto parent = pool_of(10);
    Pool a = local(*parent, 1, 10);
    CHECK(a->buffers_now() == 10);
    auto first = unpooled(*parent, 2);
    CHECK(a->buffers_now() == 8);
    Pool b = local(*parent, 1, 10);
    const auto sizes = [&] {
        return Sizes{parent->available(), a->buffers_now(), b->buffers_now()};
    };
    CHECK(Sizes{a->buffers_now(), b->buffers_now()} == Sizes{4, 4});
    auto second = unpooled(*parent, 2);
    CHECK(Sizes{a->buffers_now(), b->buffers_now()} == Sizes{3, 3});
    auto third = unpooled(*parent, 2);
    CHECK(sizes() == Sizes{2, 2, 2});
    third.clear();
    CHECK(sizes() == Sizes{4, 3, 3});
    second.clear();
    CHECK(sizes() == Sizes{6, 4, 4});
    first.clear();
    CHECK(sizes() == Sizes{8, 5, 5});
    a.reset();
    CHECK(parent->available() == 9);
    CHECK(b->buffers_now() == 10);
}

TEST_CASE("NetworkBufferPool carries rounding errors forward", "[memory][network_buffer_pool]") {
    const auto parent = pool_of(3);
    const Pool a = local(*parent, 1, 10);
    CHECK(a->buffers_now() == 3);
    const Pool b = local(*parent, 1, 10);
    CHECK(Sizes{a->buffers_now(), b->buffers_now()} == Sizes{1, 2});
    const Pool c = local(*parent, 1, 10);
    CHECK(Sizes{a->buffers_now(), b->buffers_now(), c->buffers_now()} == Sizes{1, 1, 1});
}

TEST_CASE("NetworkBufferPool refuses a floor that it cannot keep and names the three keys",
          "[memory][network_buffer_pool]") {
    const auto parent = pool_of(16);
    const auto refused = parent->create_pool("gate", {17, 17}, [] {});
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == Code::kResourceExhausted);
    CHECK_THAT(refused.error().message,
               Catch::Contains("Insufficient number of network buffers: required 17, but only 16 "
                               "available") &&
                   Catch::Contains("taskmanager.memory.network.fraction") &&
                   Catch::Contains("taskmanager.memory.network.min") &&
                   Catch::Contains("taskmanager.memory.network.max"));
}

TEST_CASE("NetworkBufferPool refuses unpooled buffers beyond the floors",
          "[memory][network_buffer_pool]") {
    const auto parent = pool_of(10);
    const Pool a = local(*parent, 8, 8);
    const auto kept = unpooled(*parent, 2);
    const auto refused = parent->lend_unpooled(1);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == Code::kResourceExhausted);
    CHECK(parent->required() == 10);
}

TEST_CASE("NetworkBufferPool says when promised buffers are still on loan",
          "[memory][network_buffer_pool]") {
    const auto parent = pool_of(4);
    const Pool a = local(*parent, 1, 4);
    auto lent = lend_all(*a);
    REQUIRE(lent.size() == 4);
    const auto refused = parent->lend_unpooled(2);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == Code::kUnavailable);
    lent.resize(2);
    CHECK(parent->lend_unpooled(2).has_value());
}

TEST_CASE("LocalBufferPool lends up to its ceiling and again after a buffer comes back",
          "[memory][local_buffer_pool]") {
    const auto parent = pool_of(10);
    const Pool a = local(*parent, 1, 3);
    auto lent = lend_all(*a);
    CHECK(lent.size() == 3);
    CHECK(a->in_use() == 3);
    CHECK_FALSE(a->try_lend());
    lent.pop_back();
    CHECK(a->try_lend());
}

TEST_CASE("LocalBufferPool has its floor even when another pool took all that was free",
          "[memory][local_buffer_pool]") {
    const auto parent = pool_of(10);
    const Pool greedy = local(*parent, 1, 10);
    auto lent = lend_all(*greedy);
    REQUIRE(lent.size() == 10);
    const Pool late = local(*parent, 4, 4);
    CHECK_FALSE(late->try_lend());
    lent.resize(6);
    SECTION("what comes back is kept for the floor, not lent to the greedy one again") {
        CHECK_FALSE(greedy->try_lend());
        CHECK(lend_all(*late).size() == 4);
    }
    SECTION("the greedy one shrinks to its new share") { CHECK(greedy->buffers_now() == 6); }
}

TEST_CASE("LocalBufferPool rings once for every failed loan, without a lock held",
          "[memory][local_buffer_pool]") {
    const auto parent = pool_of(2);
    int rings = 0;
    LocalBufferPool* pool = nullptr;
    const Pool owned = local(*parent, 1, 2, [&] {
        ++rings;
        CHECK(pool->in_use() <= 1);  // Would deadlock with a lock held.
    });
    pool = owned.get();
    auto lent = lend_all(*pool);
    CHECK(rings == 0);
    lent.pop_back();
    CHECK(rings == 1);
    lent.pop_back();
    CHECK(rings == 1);
}

TEST_CASE("LocalBufferPool rings a waiting pool when another one goes",
          "[memory][local_buffer_pool]") {
    const auto parent = pool_of(4);
    Pool a = local(*parent, 2, 2);
    int rings = 0;
    const Pool b = local(*parent, 2, 4, [&] { ++rings; });
    auto lent = lend_all(*b);
    REQUIRE(lent.size() == 2);
    a.reset();
    CHECK(rings == 1);
    CHECK(lend_all(*b).size() == 2);
}

TEST_CASE("LocalBufferPool is rung even if another one is rung first and takes nothing",
          "[memory][local_buffer_pool]") {
    const auto parent = pool_of(6);
    const Pool greedy = local(*parent, 1, 6);
    auto lent = lend_all(*greedy);
    REQUIRE(lent.size() == 6);
    int rings = 0;
    const Pool idle = local(*parent, 1, 6, [&] { ++rings; });
    const Pool eager = local(*parent, 1, 6, [&] { ++rings; });
    CHECK_FALSE(idle->try_lend());
    CHECK_FALSE(eager->try_lend());
    lent.pop_back();
    CHECK(rings == 2);
    CHECK(eager->try_lend());
}

TEST_CASE("NetworkBuffer returns when its last handle goes", "[memory][network_buffer]") {
    const auto parent = pool_of(2);
    const Pool pool = local(*parent, 1, 2);
    auto buffer = pool->try_lend();
    REQUIRE(buffer);
    CHECK(buffer->size() == 0);
    CHECK(buffer->capacity() == 4096);
    buffer->set_size(100);
    NetworkBuffer second = buffer->share();
    CHECK(second.size() == 100);
    CHECK(second.data() == buffer->data());
    CHECK(second.references() == 2);
    buffer.reset();
    CHECK(pool->in_use() == 1);
    second.release();
    CHECK(pool->in_use() == 0);
    CHECK(pool->try_lend()->size() == 0);
}

TEST_CASE("Lending and returning buffers takes nothing from the heap",
          "[memory][local_buffer_pool]") {
    const auto parent = pool_of(4);
    const Pool pool = local(*parent, 1, 4);
    const std::uint64_t before = test::heap_allocations();
    for (int i = 0; i < 100; ++i) {
        const auto buffer = pool->try_lend();
        const NetworkBuffer second = buffer->share();
    }
    CHECK(test::heap_allocations() == before);
}

TEST_CASE("LocalBufferPool aborts when it is destroyed before its buffers are back",
          "[memory][local_buffer_pool]") {
    const auto parent = pool_of(4);
    CHECK(aborts([&] {
        Pool pool = local(*parent, 1, 4);
        const auto buffer = pool->try_lend();
        pool.reset();
    }));
}

TEST_CASE("NetworkBufferPool reports every pool and the sum", "[memory][network_buffer_pool]") {
    const auto parent = pool_of(10);
    const Pool a = local(*parent, 2, 3);
    const auto lent = lend_all(*a);
    const auto loose = unpooled(*parent, 1);
    const BudgetUse use = parent->use();
    CHECK(use.bytes_limit == 10 * 4096);
    CHECK(use.bytes_in_use == 4 * 4096);
    REQUIRE(use.owners.size() == 2);
    CHECK(use.owners[0].bytes_now + use.owners[1].bytes_now == use.bytes_in_use);
    CHECK(use.owners[0].tag.operator_name == "gate");
}

TEST_CASE("Division of buffers stays between floors and ceilings and loses none",
          "[memory][network_buffer_pool]") {
    const std::uint64_t seed = GENERATE(range<std::uint64_t>(1, 200));
    CAPTURE(seed);
    Random random(seed);
    std::vector<LocalBufferPool::Limits> pools(1 + random.below(20));
    std::uint64_t room = 0;
    for (auto& pool : pools) {
        pool.buffers_floor = 1 + static_cast<std::uint32_t>(random.below(50));
        const auto extra = static_cast<std::uint32_t>(random.below(200));
        pool.buffers_ceiling = random.below(10) == 0 ? ~0U : pool.buffers_floor + extra;
        room += pool.buffers_ceiling - pool.buffers_floor;
    }
    const auto unclaimed = static_cast<std::uint32_t>(random.below(500));
    const auto sizes = divide_buffers(unclaimed, pools);
    std::uint64_t given = 0;
    for (std::size_t i = 0; i < pools.size(); ++i) {
        CHECK(sizes[i] >= pools[i].buffers_floor);
        CHECK(sizes[i] <= pools[i].buffers_ceiling);
        given += sizes[i] - pools[i].buffers_floor;
    }
    CHECK(given == std::min<std::uint64_t>(unclaimed, room));
}

TEST_CASE("NetworkBufferPool keeps its sums while many threads lend and return",
          "[memory][network_buffer_pool]") {
    const auto parent = pool_of(24);
    {
        std::vector<std::thread> threads;
        threads.reserve(4);
        for (std::uint64_t i = 0; i < 4; ++i) {
            threads.emplace_back([&parent, i] {
                Random random(i);
                std::atomic<int> rings{0};
                for (int round = 0; round < 50; ++round) {
                    auto made = parent->create_pool("gate", {2, 12}, [&rings] { ++rings; });
                    if (!made) continue;
                    std::vector<NetworkBuffer> lent;
                    for (int step = 0; step < 100; ++step) {
                        auto buffer = (*made)->try_lend();
                        if (buffer && random.below(2) == 0) {
                            buffer->data()[0] = std::byte{1};
                            lent.push_back(std::move(*buffer));
                        }
                        if (random.below(3) == 0) lent.clear();
                    }
                    lent.clear();
                }
            });
        }
        for (auto& thread : threads) thread.join();
    }
    CHECK(parent->in_use() == 0);
    CHECK(parent->required() == 0);
    CHECK(parent->available() == 24);
}

}  // namespace millrace::memory
