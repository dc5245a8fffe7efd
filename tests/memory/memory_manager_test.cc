#include "memory/memory_manager.h"

#include <atomic>
#include <cstring>
#include <thread>

#include <catch2/catch.hpp>

#include "memory/system_memory.h"
#include "runtime/base/check.h"
#include "runtime/base/random.h"
#include "tests/memory/aborts.h"
#include "tests/support/heap_count.h"

namespace millrace::memory {
namespace {

constexpr std::size_t kPage = 32 << 10;
constexpr std::size_t kMib = 1 << 20;

std::unique_ptr<MemoryManager> manager_of(std::size_t bytes, std::uint32_t slots = 1) {
    auto manager = MemoryManager::create({.bytes = bytes, .slot_count = slots});
    REQUIRE(manager);
    return std::move(*manager);
}

OwnerId owner_in(MemoryPool& pool, const std::string& name, Purpose purpose = Purpose::kBatch) {
    return pool.owner({"ctr", name, 0, purpose}).value();
}

Segment take(MemoryPool& pool, OwnerId owner, std::size_t bytes) {
    auto segment = pool.allocate(owner, bytes);
    if (!segment) FAIL(segment.error().message);
    return std::move(*segment);
}

std::vector<SlotMemory*> all_slots(MemoryManager& manager) {
    std::vector<SlotMemory*> slots;
    slots.reserve(manager.slot_count());
    for (std::uint32_t i = 0; i < manager.slot_count(); ++i) slots.push_back(&manager.slot(i));
    return slots;
}

// The example of the README.
Status hold_memory(SlotMemory& slot) {
    MILLRACE_TRY_ASSIGN(const MemoryOwner owner,
                        MemoryOwner::of(slot, {"ctr", "predict", 3, Purpose::kBatch}));
    MILLRACE_TRY_ASSIGN(const Reservation working_set, owner.reserve(8 << 20));  // At deployment.
    MILLRACE_TRY_ASSIGN(Segment segment, owner.allocate(256 << 10));  // Counts against it.
    CHECK(slot.bytes_in_use() == 8 << 20);
    CHECK(slot.use().owners[0].tag.to_string() == "ctr/predict[3]/batch");
    return {};
}

// The sums that must hold at any moment of rest.
void check_sums(const MemoryManager& manager) {
    const MemoryReport report = manager.report();
    std::size_t limits = 0;
    std::size_t in_use = 0;
    std::size_t in_pages = 0;
    const auto add = [&](const BudgetUse& budget) {
        limits += budget.bytes_limit;
        std::size_t now = 0;
        for (const auto& owner : budget.owners) {
            now += owner.bytes_now;
            in_pages += owner.bytes_in_pages;
        }
        REQUIRE(now == budget.bytes_in_use);
        REQUIRE(now <= budget.bytes_limit);
        in_use += now;
    };
    for (const auto& slot : report.slots) add(slot);
    for (const auto& account : report.accounts) add(account);
    REQUIRE(limits == manager.bytes());
    REQUIRE(in_use == report.managed.bytes_in_use);
    REQUIRE(in_pages == report.managed.bytes_in_pages);
    REQUIRE(report.managed.bytes_free + in_pages == manager.bytes());
    REQUIRE(report.managed.bytes_largest_free <= report.managed.bytes_free);
}

}  // namespace

TEST_CASE("A managed region that does not divide into slots of pages is refused",
          "[memory][memory_manager]") {
    CHECK_FALSE(MemoryManager::create({.bytes = 3 * kPage, .slot_count = 2}));
    CHECK_FALSE(MemoryManager::create({.bytes = 0}));
    CHECK_FALSE(MemoryManager::create({.bytes = kPage, .slot_count = 0}));
    CHECK_FALSE(MemoryManager::create({.bytes = kMib, .page_bytes = 33 << 10}));
    CHECK_FALSE(MemoryManager::create({.bytes = kMib, .page_bytes = 2048}));
}

TEST_CASE("A region that the machine cannot map is refused with what to do",
          "[memory][memory_manager]") {
    const auto refused =
        MemoryManager::create({.bytes = std::size_t{1} << 50, .page_bytes = 1 << 20});
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == Code::kResourceExhausted);
    CHECK_THAT(refused.error().message,
               Catch::Contains("Hint: lower taskmanager.memory.process.size"));
}

TEST_CASE("A managed region costs memory only where it is touched", "[memory][memory_manager]") {
#if defined(__SANITIZE_ADDRESS__)
    constexpr std::size_t kShadow = 128 * kMib;  // AddressSanitizer marks each eight bytes as free.
#else
    constexpr std::size_t kShadow = 0;
#endif
    const SystemFiles files;
    const std::uint64_t before = resident_bytes(files).value();
    const auto manager = manager_of(1024 * kMib);
    const std::uint64_t mapped = resident_bytes(files).value();
    CHECK(mapped < before + 16 * kMib + kShadow);
    const OwnerId owner = owner_in(manager->slot(0), "a");
    const Segment segment = take(manager->slot(0), owner, 64 * kMib);
    std::memset(segment.data(), 1, segment.size());
    CHECK(resident_bytes(files).value() >= mapped + 60 * kMib);
}

TEST_CASE("A slot hands out whole pages and takes them back", "[memory][slot_memory]") {
    const auto manager = manager_of(8 * kPage);
    SlotMemory& slot = manager->slot(0);
    const OwnerId owner = owner_in(slot, "a");
    Segment segment = take(slot, owner, kPage + 1);
    CHECK(segment.size() == 2 * kPage);
    CHECK(reinterpret_cast<std::uintptr_t>(segment.data()) % kPage == 0);
    CHECK(slot.bytes_in_use() == 2 * kPage);
    CHECK(manager->bytes_in_pages() == 2 * kPage);
    segment.release();
    CHECK(slot.bytes_in_use() == 0);
    CHECK(manager->bytes_in_pages() == 0);
}

TEST_CASE("A slot cannot take what belongs to another slot", "[memory][slot_memory]") {
    const auto manager = manager_of(16 * kPage, 2);
    const OwnerId owner = owner_in(manager->slot(0), "a");
    const Segment all = take(manager->slot(0), owner, 8 * kPage);
    const auto refused = manager->slot(0).allocate(owner, 1);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().message ==
          "slot 0 has no room for ctr/a[0]/batch: requested 32 KiB, free 0 bytes of 256 KiB; "
          "largest holders: ctr/a[0]/batch 256 KiB. Hint: raise taskmanager.memory.managed.size "
          "(or .managed.fraction), or lower taskmanager.numberOfTaskSlots.");
    CHECK(manager->slot(1).allocate(owner_in(manager->slot(1), "b"), 8 * kPage).has_value());
}

TEST_CASE("An absurd request is refused, not overflowed", "[memory][slot_memory]") {
    const auto manager = manager_of(8 * kPage);
    const OwnerId owner = owner_in(manager->slot(0), "a");
    const auto refused = manager->slot(0).allocate(owner, ~std::size_t{0});
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == Code::kResourceExhausted);
    CHECK_FALSE(manager->slot(0).reserve(owner, ~std::size_t{0}));
    CHECK(manager->slot(0).bytes_in_use() == 0);
}

TEST_CASE("A segment lives until its last handle goes", "[memory][segment]") {
    const auto manager = manager_of(8 * kPage);
    SlotMemory& slot = manager->slot(0);
    Segment first = take(slot, owner_in(slot, "a"), kPage);
    Segment second = first.share();
    CHECK(second.data() == first.data());
    CHECK(second.references() == 2);
    first = Segment();
    CHECK(slot.bytes_in_use() == kPage);
    Segment third = std::move(second);
    CHECK(second.is_empty());  // NOLINT(bugprone-use-after-move): just that is the point.
    CHECK(third.references() == 1);
    std::thread([&] { third.release(); }).join();
    CHECK(slot.bytes_in_use() == 0);
}

TEST_CASE("Pages taken by an owner count against its reservation first", "[memory][memory_pool]") {
    const auto manager = manager_of(8 * kPage);
    SlotMemory& slot = manager->slot(0);
    const OwnerId worker = owner_in(slot, "worker");
    const OwnerId greedy = owner_in(slot, "greedy", Purpose::kState);
    auto working_set = slot.reserve(worker, 3 * kPage);
    REQUIRE(working_set);
    const Segment rest = take(slot, greedy, 5 * kPage);
    CHECK(slot.bytes_free() == 0);
    for (int i = 0; i < 3; ++i) {  // Again and again, though the slot is full.
        const Segment a = take(slot, worker, 2 * kPage);
        const Segment b = take(slot, worker, kPage);
        CHECK(slot.bytes_in_use() == 8 * kPage);
        CHECK_FALSE(slot.allocate(worker, kPage));
    }
    Segment kept = take(slot, worker, kPage);
    working_set->release();
    CHECK(slot.bytes_in_use() == 6 * kPage);
}

TEST_CASE("A task reserves its working set and allocates within it", "[memory][memory_pool]") {
    const auto manager = manager_of(8 << 20);
    CHECK(hold_memory(manager->slot(0)));
    CHECK(manager->slot(0).close());
}

TEST_CASE("A reservation is rounded up to whole pages", "[memory][memory_pool]") {
    const auto manager = manager_of(8 * kPage);
    const auto reservation = manager->slot(0).reserve(owner_in(manager->slot(0), "a"), 1);
    REQUIRE(reservation);
    CHECK(reservation->bytes() == kPage);
}

TEST_CASE("Tables begin on a huge page boundary", "[memory][memory_pool]") {
    const auto manager = manager_of(16 * kMib);
    SlotMemory& slot = manager->slot(0);
    const OwnerId owner = owner_in(slot, "model", Purpose::kTable);
    const Segment small = take(slot, owner, kPage);
    const auto table = slot.allocate_table(owner, 3 * kMib);
    const auto second = slot.allocate_table(owner, kPage);
    REQUIRE((table && second));
    CHECK(reinterpret_cast<std::uintptr_t>(table->data()) % (2 * kMib) == 0);
    CHECK(reinterpret_cast<std::uintptr_t>(second->data()) % (2 * kMib) == 0);
    CHECK(table->size() == 3 * kMib);
    CHECK(slot.bytes_in_use() == 3 * kMib + 2 * kPage);
}

TEST_CASE("A fragmented region says so, with its longest run", "[memory][memory_pool]") {
    const auto manager = manager_of(8 * kPage);
    SlotMemory& slot = manager->slot(0);
    const OwnerId owner = owner_in(slot, "a");
    std::vector<Segment> pages;
    pages.reserve(8);
    for (int i = 0; i < 8; ++i) pages.push_back(take(slot, owner, kPage));
    for (std::size_t i = 0; i < 8; i += 2) pages[i].release();
    const auto refused = slot.allocate(owner, 2 * kPage);
    REQUIRE_FALSE(refused);
    CHECK_THAT(
        refused.error().message,
        Catch::Contains("too fragmented") &&
            Catch::Contains("requested 64 KiB in one piece, the longest free run has 32 KiB"));
    CHECK(slot.bytes_in_use() == 4 * kPage);
    CHECK(manager->report().managed.fragmentation == Approx(.75));
}

TEST_CASE("Closing a slot names the leaker, and works once it is empty", "[memory][slot_memory]") {
    const auto manager = manager_of(64 * kPage);
    SlotMemory& slot = manager->slot(0);
    Segment leaked = take(slot, owner_in(slot, "map"), kPage);
    const auto also = slot.reserve(owner_in(slot, "train", Purpose::kState), 2 * kPage);
    const Status closed = slot.close();
    REQUIRE_FALSE(closed);
    CHECK(closed.error().message ==
          "slot 0 is not empty at its close; not given back: ctr/train[0]/state 64 KiB, "
          "ctr/map[0]/batch 32 KiB");
}

TEST_CASE("An account is filled in equal parts and gives them back", "[memory][account]") {
    const auto manager = manager_of(4 * 10 * kPage, 4);
    const auto slots = all_slots(*manager);
    const auto opened = manager->open_account("ctr", slots, 10 * kPage);
    REQUIRE(opened);
    Account& account = **opened;
    CHECK(account.bytes_limit() == 10 * kPage);
    CHECK(slots[0]->bytes_limit() == 7 * kPage);
    CHECK(slots[3]->bytes_limit() == 8 * kPage);
    CHECK(slots[0]->bytes_in_accounts() == 3 * kPage);
    {
        const Segment table = take(account, owner_in(account, "ftrl", Purpose::kTable), 9 * kPage);
        check_sums(*manager);
        CHECK_FALSE(account.allocate(owner_in(account, "ftrl"), 2 * kPage));
        const Status closed = manager->close_account(account);
        REQUIRE_FALSE(closed);
        CHECK_THAT(closed.error().message, Catch::Contains("account ctr is not empty") &&
                                               Catch::Contains("ctr/ftrl[0]/table 288 KiB"));
    }
    REQUIRE(manager->close_account(account));
    for (const SlotMemory* slot : slots) CHECK(slot->bytes_limit() == slot->bytes_nominal());
    CHECK(manager->report().accounts.empty());
}

TEST_CASE("An account that one slot cannot fill takes nothing from the others",
          "[memory][account]") {
    const auto manager = manager_of(2 * 10 * kPage, 2);
    const auto slots = all_slots(*manager);
    const Segment busy = take(*slots[1], owner_in(*slots[1], "state"), 8 * kPage);
    const auto refused = manager->open_account("ctr", slots, 6 * kPage);
    REQUIRE_FALSE(refused);
    CHECK_THAT(refused.error().message,
               Catch::Contains("account ctr of 192 KiB over 2 slots cannot be filled") &&
                   Catch::Contains("slot 1 cannot give up a part of its budget: wanted 96 KiB, "
                                   "free 64 KiB of 320 KiB") &&
                   Catch::Contains("ctr/state[0]/batch 256 KiB"));
    CHECK(slots[0]->bytes_limit() == 10 * kPage);
    check_sums(*manager);
}

TEST_CASE("The labelled job's account fits sixteen slots of a default TaskManager",
          "[memory][account]") {
    // 622 MiB in 16 slots of 38.875 MiB; two tables with dirty maps, and views of 16 and 32 MiB.
    const auto manager = manager_of(622 * kMib, 16);
    const auto opened = manager->open_account("ctr", all_slots(*manager), 178 * kMib);
    REQUIRE(opened);
    Account& account = **opened;
    const OwnerId owner = owner_in(account, "models", Purpose::kTable);
    std::vector<Segment> held;
    for (const std::size_t bytes : {64 * kMib, 64 * kMib, 16 * kMib, 32 * kMib, kMib, kMib}) {
        auto segment = account.allocate_table(owner, bytes);
        REQUIRE(segment);
        held.push_back(std::move(*segment));
    }
    CHECK(account.bytes_free() == 0);
    held.clear();
    CHECK(manager->close_account(account));
}

TEST_CASE("A manager ends waiting requests of slots and accounts at their deadline",
          "[memory][memory_manager]") {
    const auto manager = manager_of(8 * kPage);
    SlotMemory& slot = manager->slot(0);
    const OwnerId owner = owner_in(slot, "a");
    const Segment all = take(slot, owner, 8 * kPage);
    Code code = Code::kInternal;
    const TimePoint deadline{std::chrono::seconds(1)};
    REQUIRE(
        slot.reserve_within(owner_in(slot, "b"), kPage, deadline,
                            [&](const Result<Reservation>& given) { code = given.error().code; }));
    manager->expire(deadline);
    CHECK(code == Code::kDeadlineExceeded);
}

TEST_CASE("Pages coming back wake a waiting reservation", "[memory][memory_pool]") {
    const auto manager = manager_of(8 * kPage);
    SlotMemory& slot = manager->slot(0);
    Segment all = take(slot, owner_in(slot, "a"), 8 * kPage);
    const OwnerId waiter = owner_in(slot, "b");
    std::optional<Reservation> got;
    REQUIRE(slot.reserve_within(waiter, 4 * kPage, TimePoint::max(),
                                [&](Result<Reservation> given) { got = std::move(*given); }));
    CHECK_FALSE(got);
    all.release();
    REQUIRE(got);
    CHECK(slot.allocate(waiter, 4 * kPage).has_value());
}

TEST_CASE("Owners sum to the region over random histories", "[memory][memory_report]") {
    const std::uint64_t seed = GENERATE(range<std::uint64_t>(1, 20));
    CAPTURE(seed);
    Random random(seed);
    const auto manager = manager_of(4 * 64 * kPage, 4);
    const auto slots = all_slots(*manager);
    Account* account = manager->open_account("ctr", slots, 30 * kPage).value();
    std::vector<Segment> segments;
    std::vector<Reservation> reservations;
    for (int step = 0; step < 300; ++step) {
        MemoryPool& pool = random.below(5) == 0 ? static_cast<MemoryPool&>(*account)
                                                : *slots[random.below(slots.size())];
        const OwnerId owner = owner_in(pool, "o" + std::to_string(random.below(6)));
        const std::size_t bytes = 1 + random.below(12 * kPage);
        const auto keep = [](auto result, auto& held) {
            if (result) held.push_back(std::move(*result));
        };
        const auto drop = [&](auto& held) {
            if (held.empty()) return;
            std::swap(held[random.below(held.size())], held.back());
            held.pop_back();
        };
        switch (random.below(5)) {
            case 0:
                keep(pool.allocate(owner, bytes), segments);
                break;
            case 1:
                keep(pool.reserve(owner, bytes), reservations);
                break;
            case 2:
                drop(segments);
                break;
            case 3:
                drop(reservations);
                break;
            default:
                if (!segments.empty()) segments.push_back(segments.front().share());
        }
        check_sums(*manager);
    }
    segments.clear();
    reservations.clear();
    CHECK(manager->close_account(*account));
    for (SlotMemory* slot : slots) CHECK(slot->close());
    CHECK(manager->bytes_largest_free() == manager->bytes());
}

TEST_CASE("Threads allocate, share and release without losing a page", "[memory][memory_manager]") {
    const auto manager = manager_of(2 * 64 * kPage, 2);
    std::vector<std::thread> threads;
    threads.reserve(4);
    for (std::uint64_t i = 0; i < 4; ++i) {
        threads.emplace_back([&manager, i] {
            Random random(i);
            MemoryPool& pool = manager->slot(static_cast<std::uint32_t>(i % 2));
            const OwnerId owner = owner_in(pool, "t" + std::to_string(i));
            std::vector<Segment> held;
            for (int step = 0; step < 3000; ++step) {
                if (random.below(3) == 0) {
                    if (!held.empty()) held.erase(held.begin());
                    continue;
                }
                auto segment = random.below(20) == 0
                                   ? pool.allocate_table(owner, kPage)
                                   : pool.allocate(owner, random.below(5) * kPage + 1);
                if (!segment) {
                    held.clear();
                    continue;
                }
                segment->data()[0] = static_cast<std::byte>(i);
                held.push_back(segment->share());
                MILLRACE_CHECK(held.back().data()[0] == static_cast<std::byte>(i));
            }
        });
    }
    for (auto& thread : threads) thread.join();
    check_sums(*manager);
    CHECK(manager->bytes_in_pages() == 0);
    CHECK(manager->bytes_largest_free() == manager->bytes());
}

TEST_CASE("An account may be closed while others look at it", "[memory][account]") {
    const auto manager = manager_of(16 * kPage);
    const std::string name = "a name that is not short";
    std::atomic<bool> is_over{false};
    std::atomic<std::size_t> right{0};
    std::atomic<std::size_t> wrong{0};
    std::thread reader([&] {
        while (!is_over) {
            for (const BudgetUse& account : manager->report().accounts)
                ++(account.name == "account " + name && account.bytes_limit == kPage ? right
                                                                                     : wrong);
            manager->expire(TimePoint{});
        }
    });
    const auto slots = all_slots(*manager);
    for (int i = 0; i < 20'000; ++i) {
        const auto account = manager->open_account(name, slots, kPage);
        CHECK(account);
        // Now and then the reader gets its look, however the machine shares its processors out.
        const std::size_t before = right + wrong;
        while (i % 1'000 == 0 && right + wrong == before) std::this_thread::yield();
        CHECK(manager->close_account(**account));
    }
    is_over = true;
    reader.join();
    CHECK(wrong == 0);
    CHECK(right >= 20);
}

TEST_CASE("Threads pass segments on and the last one gives them back", "[memory][segment]") {
    const auto manager = manager_of(64 * kPage);
    SlotMemory& slot = manager->slot(0);
    const OwnerId owner = owner_in(slot, "a");
    for (int round = 0; round < 200; ++round) {
        Segment segment = take(slot, owner, kPage);
        segment.data()[0] = std::byte{7};
        std::thread reader([handle = segment.share()]() mutable {
            MILLRACE_CHECK(handle.data()[0] == std::byte{7});
            handle.release();
        });
        segment.release();
        reader.join();
    }
    CHECK(slot.bytes_in_use() == 0);
}

TEST_CASE("Allocating and releasing pages takes nothing from the heap", "[memory][segment]") {
    const auto manager = manager_of(4 * kMib);
    SlotMemory& slot = manager->slot(0);
    const OwnerId owner = owner_in(slot, "a");
    const std::uint64_t before = test::heap_allocations();
    for (int i = 0; i < 100; ++i) {
        const auto segment = slot.allocate(owner, 3 * kPage);
        const Segment second = segment->share();
        const auto table = slot.allocate_table(owner, kPage);
        MILLRACE_CHECK(table.has_value());
    }
    const std::uint64_t after = test::heap_allocations();
    CHECK(after == before);
}

TEST_CASE("Memory that outlives its region aborts", "[memory][memory_manager]") {
    CHECK(aborts([] {
        Segment kept;
        const auto manager = manager_of(kPage);
        kept = take(manager->slot(0), owner_in(manager->slot(0), "a"), kPage);
    }));
    CHECK(aborts([] {
        Reservation kept;
        const auto manager = manager_of(kPage);
        kept = std::move(*manager->slot(0).reserve(owner_in(manager->slot(0), "a"), kPage));
    }));
}

TEST_CASE("An owner's id does not survive the closing of its slot", "[memory][slot_memory]") {
    const auto manager = manager_of(kPage);
    SlotMemory& slot = manager->slot(0);
    const OwnerId old = owner_in(slot, "a");
    REQUIRE(slot.close());
    CHECK(aborts([&] { CHECK_FALSE(slot.reserve(old, 1)); }));
    CHECK(owner_in(slot, "b") != old);
    CHECK(aborts([&] { CHECK_FALSE(slot.reserve(old, 1)); }));
}

}  // namespace millrace::memory
