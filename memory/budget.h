// Limits the bytes that a set of owners may hold together: the hard budget under slots, accounts
// and regions.
//
// A request that does not fit first asks the holders of revocable reservations to give back, then
// is refused, with who holds what. A request with a deadline waits instead, in first-come order
// among those that wait; requests that cannot wait take what is free and are not held up by them.
//
// Threads:    any.
// Ownership:  must outlive its reservations (checked by the destructor). Those who draw from it get
//             it as a Budget or MemoryPool, its owner as the class that it is: only that one closes
//             it and moves its limit.
// Limits:     bytes_in_use() <= bytes_limit(), always; kOwnersMax owners; kWaitersMax waiting.
// Failure:    kResourceExhausted with requested, free and the five largest holders. A release that
//             was never taken is a bug and aborts.

#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "memory/memory_report.h"
#include "memory/owner.h"
#include "memory/reservation.h"
#include "runtime/base/clock.h"
#include "runtime/base/status.h"
#include "runtime/base/thread_annotations.h"

namespace millrace::memory {

class Budget {
  public:
    static constexpr std::size_t kOwnersMax = 4096;
    static constexpr std::size_t kWaitersMax = 1024;

    // Asks the holder to give back about this many bytes soon; it may do so within the call. Called
    // by the thread that needs them, without a lock held. A call that has begun may end after the
    // reservation is gone, so the function must own what it touches; a mailbox is the usual target.
    using OnRevoke = std::function<void(std::size_t bytes_wanted)>;
    // Called once, without a lock held.
    using OnReserved = std::function<void(Result<Reservation>)>;
    enum class WaitId : std::uint64_t { kNone = 0 };

    Budget(const Budget&) = delete;
    Budget& operator=(const Budget&) = delete;

    // The id of `tag`, the same for the same tag until close(). Errors: kResourceExhausted.
    Result<OwnerId> owner(const OwnerTag& tag) MILLRACE_EXCLUDES(mutex_);

    // Takes `bytes`, rounded up to the unit of this budget, now or never.
    Result<Reservation> reserve(OwnerId owner, std::size_t bytes) MILLRACE_EXCLUDES(mutex_);
    // The same, and agrees to be asked to give it back; asked again only after it gave some.
    Result<Reservation> reserve_revocable(OwnerId owner, std::size_t bytes, OnRevoke on_revoke)
        MILLRACE_EXCLUDES(mutex_);
    // Takes `bytes` as soon as they are free, or fails with kDeadlineExceeded at the first
    // expire(now) with now >= deadline. `done` runs within this call when they are free at once
    // (then kNone is returned), else on the thread that releases or expires. More bytes than the
    // limit, and more than kWaitersMax waiters, are refused at once.
    Result<WaitId> reserve_within(OwnerId owner, std::size_t bytes, TimePoint deadline,
                                  const OnReserved& done) MILLRACE_EXCLUDES(mutex_);
    // Forgets a waiting request; its `done` is not called. False when it is no longer waiting.
    bool cancel(WaitId id) MILLRACE_EXCLUDES(mutex_);
    // Ends every waiting request whose deadline has come.
    void expire(TimePoint now) MILLRACE_EXCLUDES(mutex_);
    // When expire() is next of use; nullopt when nobody waits.
    [[nodiscard]] std::optional<TimePoint> next_deadline() const MILLRACE_EXCLUDES(mutex_);

    [[nodiscard]] const std::string& name() const { return name_; }
    [[nodiscard]] std::size_t bytes_limit() const MILLRACE_EXCLUDES(mutex_);
    [[nodiscard]] std::size_t bytes_in_use() const MILLRACE_EXCLUDES(mutex_);
    [[nodiscard]] std::size_t bytes_free() const MILLRACE_EXCLUDES(mutex_);
    [[nodiscard]] BudgetUse use() const MILLRACE_EXCLUDES(mutex_);

  protected:
    struct Shape {
        std::string name;             // For example "slot 3".
        std::size_t bytes_limit = 0;  // REQUIRES: whole units.
        std::size_t bytes_unit = 1;   // Everything is rounded up to this.
        std::string hint;             // What to do when it is full: "raise ...".
    };
    // What a call adds to, or takes from, one owner.
    struct Change {
        std::size_t reserved = 0;
        std::size_t in_pages = 0;
    };

    explicit Budget(Shape shape);
    ~Budget();

    // For whoever owns the budget, not for those who draw from it: an operator must not move its
    // own limit.
    // Verifies that nobody holds anything and forgets the owners; their ids are void afterwards.
    // Otherwise names each leaker with its bytes, keeps those, and answers kResourceExhausted.
    // The budget can be used again either way. Requests that still wait are cancelled.
    Status close() MILLRACE_EXCLUDES(mutex_);
    // Moves the limit while everything runs. Lowering it below what is in use is refused with
    // kResourceExhausted and changes nothing. REQUIRES: whole units.
    Status lower_limit(std::size_t bytes) MILLRACE_EXCLUDES(mutex_);
    void raise_limit(std::size_t bytes) MILLRACE_EXCLUDES(mutex_);

    Status grow(OwnerId owner, Change change) MILLRACE_EXCLUDES(mutex_);
    void shrink(OwnerId owner, Change change) MILLRACE_EXCLUDES(mutex_);
    [[nodiscard]] std::size_t rounded_up(std::size_t bytes) const;
    [[nodiscard]] const std::string& hint() const { return hint_; }
    [[nodiscard]] std::string tag_text(OwnerId owner) const MILLRACE_EXCLUDES(mutex_);

  private:
    friend class Reservation;

    struct Owner {
        OwnerTag tag;
        std::size_t reserved = 0;
        std::size_t in_pages = 0;
        std::size_t peak = 0;
        std::uint16_t use_count = 0;  // The high half of its OwnerId.
        bool is_live = false;

        [[nodiscard]] std::size_t bytes() const {
            return reserved > in_pages ? reserved : in_pages;
        }
    };
    struct Waiter {
        WaitId id;
        OwnerId owner;
        std::size_t bytes;
        TimePoint deadline;
        OnReserved done;
    };
    struct Revocable {
        std::uint64_t id;
        OwnerId owner;
        std::size_t bytes;
        std::shared_ptr<const OnRevoke> on_revoke;
        bool is_asked = false;
    };
    struct Ask {
        std::shared_ptr<const OnRevoke> on_revoke;
        std::size_t bytes;
    };

    Owner& at(OwnerId id) MILLRACE_REQUIRES(mutex_);
    const Owner& at(OwnerId id) const MILLRACE_REQUIRES(mutex_);
    void check_live(OwnerId id) const MILLRACE_REQUIRES(mutex_);
    bool try_grow(OwnerId id, Change change) MILLRACE_REQUIRES(mutex_);
    void shrink_locked(OwnerId id, Change change) MILLRACE_REQUIRES(mutex_);
    std::vector<Ask> asks_for(OwnerId asker, std::size_t bytes) MILLRACE_REQUIRES(mutex_);
    std::vector<Waiter> grant_waiters() MILLRACE_REQUIRES(mutex_);
    [[nodiscard]] BudgetUse use_locked() const MILLRACE_REQUIRES(mutex_);
    [[nodiscard]] std::string refusal(OwnerId owner, std::size_t bytes) const
        MILLRACE_REQUIRES(mutex_);
    void deliver(const std::vector<Waiter>& granted) MILLRACE_EXCLUDES(mutex_);
    // For Reservation: `given` bytes come back, `kept` stay.
    void give_back(OwnerId owner, std::uint64_t revocable_id, std::size_t given, std::size_t kept)
        MILLRACE_EXCLUDES(mutex_);

    // Constant after construction.
    const std::string name_;
    const std::size_t bytes_unit_;
    const std::string hint_;

    mutable Mutex mutex_;
    std::size_t limit_ MILLRACE_GUARDED_BY(mutex_);
    std::size_t in_use_ MILLRACE_GUARDED_BY(mutex_) = 0;
    std::size_t in_pages_ MILLRACE_GUARDED_BY(mutex_) = 0;
    std::size_t peak_ MILLRACE_GUARDED_BY(mutex_) = 0;
    std::uint64_t refusals_ MILLRACE_GUARDED_BY(mutex_) = 0;
    std::uint64_t ids_ MILLRACE_GUARDED_BY(mutex_) = 0;  // Of waiters and revocables.
    std::vector<Owner> owners_ MILLRACE_GUARDED_BY(mutex_);
    std::deque<Waiter> waiters_ MILLRACE_GUARDED_BY(mutex_);
    std::vector<Revocable> revocables_ MILLRACE_GUARDED_BY(mutex_);
};

// The budget of a region whose bytes are not our pages, for example the task region, from which
// the queues of client libraries are reserved.
class RegionBudget final : public Budget {
  public:
    // `key` is the configuration key to raise when the region is full.
    RegionBudget(std::string name, std::size_t bytes, const std::string& key)
        : Budget({std::move(name), bytes, 1, "raise " + key + "."}) {}

    using Budget::close;
};

}  // namespace millrace::memory
