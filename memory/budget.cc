#include "memory/budget.h"

#include <algorithm>
#include <functional>
#include <limits>
#include <utility>

#include "memory/byte_size.h"
#include "runtime/base/check.h"

namespace millrace::memory {
namespace {

constexpr std::size_t kHoldersShown = 5;
constexpr std::uint32_t kIndexBits = 16;

std::size_t index_of(OwnerId id) {
    return static_cast<std::uint32_t>(id) & ((1U << kIndexBits) - 1);
}

std::uint16_t use_count_of(OwnerId id) {
    return static_cast<std::uint16_t>(static_cast<std::uint32_t>(id) >> kIndexBits);
}

OwnerId make_id(std::size_t index, std::uint16_t use_count) {
    return OwnerId{static_cast<std::uint32_t>(index) | std::uint32_t{use_count} << kIndexBits};
}

}  // namespace

Budget::Budget(Shape shape)
    : name_(std::move(shape.name)),
      bytes_unit_(shape.bytes_unit),
      hint_(std::move(shape.hint)),
      limit_(shape.bytes_limit) {
    MILLRACE_CHECK_EQ(limit_ % bytes_unit_, 0U);
}

Budget::~Budget() {
    const MutexLock lock(mutex_);
    MILLRACE_CHECK_EQ(in_use_, 0U);
    MILLRACE_CHECK(waiters_.empty());
}

Result<OwnerId> Budget::owner(const OwnerTag& tag) {
    const MutexLock lock(mutex_);
    std::size_t place = owners_.size();
    for (std::size_t i = 0; i < owners_.size(); ++i) {
        if (owners_[i].is_live && owners_[i].tag == tag) return make_id(i, owners_[i].use_count);
        if (!owners_[i].is_live && place == owners_.size()) place = i;
    }
    if (place == kOwnersMax) {
        return fail(Code::kResourceExhausted, "{} has too many owners for another one: {}, {}",
                    name_, tag.to_string(), kOwnersMax);
    }
    if (place == owners_.size()) owners_.emplace_back();
    owners_[place].tag = tag;
    owners_[place].is_live = true;
    return make_id(place, owners_[place].use_count);
}

Result<Reservation> Budget::reserve(OwnerId owner, std::size_t bytes) {
    const std::size_t rounded = rounded_up(bytes);
    MILLRACE_TRY(grow(owner, {.reserved = rounded}));
    return Reservation(*this, owner, rounded, 0);
}

Result<Reservation> Budget::reserve_revocable(OwnerId owner, std::size_t bytes,
                                              OnRevoke on_revoke) {
    const std::size_t rounded = rounded_up(bytes);
    MILLRACE_TRY(grow(owner, {.reserved = rounded}));
    if (rounded == 0) return Reservation();
    const MutexLock lock(mutex_);
    const std::uint64_t id = ++ids_;
    revocables_.push_back(
        {id, owner, rounded, std::make_shared<const OnRevoke>(std::move(on_revoke))});
    return Reservation(*this, owner, rounded, id);
}

Result<Budget::WaitId> Budget::reserve_within(OwnerId owner, std::size_t bytes, TimePoint deadline,
                                              const OnReserved& done) {
    const std::size_t rounded = rounded_up(bytes);
    std::vector<Ask> asks;
    WaitId id = WaitId::kNone;
    {
        const MutexLock lock(mutex_);
        // Behind those who wait already, even if this one would fit.
        const bool is_granted = waiters_.empty() && try_grow(owner, {.reserved = rounded});
        if (!is_granted && (rounded > limit_ || waiters_.size() == kWaitersMax)) {
            ++refusals_;
            return std::unexpected(Error{Code::kResourceExhausted, refusal(owner, rounded)});
        }
        if (!is_granted) {
            id = WaitId{++ids_};
            waiters_.push_back({id, owner, rounded, deadline, done});
            asks = asks_for(owner, rounded);
        }
    }
    if (id == WaitId::kNone) done(Reservation(*this, owner, rounded, 0));
    for (const auto& ask : asks) (*ask.on_revoke)(ask.bytes);
    return id;
}

bool Budget::cancel(WaitId id) {
    std::vector<Waiter> granted;
    {
        const MutexLock lock(mutex_);
        const auto found = std::ranges::find(waiters_, id, &Waiter::id);
        if (found == waiters_.end()) return false;
        waiters_.erase(found);
        granted = grant_waiters();
    }
    deliver(granted);
    return true;
}

void Budget::expire(TimePoint now) {
    std::vector<std::pair<Waiter, std::string>> expired;
    std::vector<Waiter> granted;
    {
        const MutexLock lock(mutex_);
        for (auto waiter = waiters_.begin(); waiter != waiters_.end();) {
            if (waiter->deadline > now) {
                ++waiter;
                continue;
            }
            ++refusals_;
            expired.emplace_back(std::move(*waiter), refusal(waiter->owner, waiter->bytes));
            waiter = waiters_.erase(waiter);
        }
        if (!expired.empty()) granted = grant_waiters();
    }
    for (auto& [waiter, text] : expired) {
        waiter.done(std::unexpected(Error{Code::kDeadlineExceeded, "waited in vain: " + text}));
    }
    deliver(granted);
}

std::optional<TimePoint> Budget::next_deadline() const {
    const MutexLock lock(mutex_);
    if (waiters_.empty()) return std::nullopt;
    return std::ranges::min_element(waiters_, {}, &Waiter::deadline)->deadline;
}

Status Budget::close() {
    std::deque<Waiter> cancelled;
    std::vector<OwnerUse> leakers;
    {
        const MutexLock lock(mutex_);
        cancelled.swap(waiters_);
        leakers = use_locked().owners;
        std::erase_if(leakers, [](const OwnerUse& owner) { return owner.bytes_now == 0; });
        for (auto& owner : owners_) {
            if (!owner.is_live || owner.bytes() != 0) continue;
            const auto use_count = static_cast<std::uint16_t>(owner.use_count + 1);
            owner = Owner{};
            owner.use_count = use_count;
        }
        peak_ = in_use_;
    }
    for (auto& waiter : cancelled) {
        waiter.done(fail(Code::kCancelled, "{} was closed", name_));
    }
    if (leakers.empty()) return {};
    return fail(Code::kResourceExhausted, "{} is not empty at its close; not given back: {}", name_,
                largest_holders(leakers, leakers.size()));
}

std::size_t Budget::bytes_limit() const {
    const MutexLock lock(mutex_);
    return limit_;
}

std::size_t Budget::bytes_in_use() const {
    const MutexLock lock(mutex_);
    return in_use_;
}

std::size_t Budget::bytes_free() const {
    const MutexLock lock(mutex_);
    return limit_ - in_use_;
}

BudgetUse Budget::use() const {
    const MutexLock lock(mutex_);
    return use_locked();
}

Status Budget::lower_limit(std::size_t bytes) {
    MILLRACE_CHECK_EQ(bytes % bytes_unit_, 0U);
    const MutexLock lock(mutex_);
    if (bytes <= limit_ - in_use_) {
        limit_ -= bytes;
        return {};
    }
    ++refusals_;
    return fail(Code::kResourceExhausted,
                "{} cannot give up a part of its budget: wanted {}, free {} of {}; largest "
                "holders: {}. Hint: {}",
                name_, format_bytes(bytes), format_bytes(limit_ - in_use_), format_bytes(limit_),
                largest_holders(use_locked().owners, kHoldersShown), hint_);
}

void Budget::raise_limit(std::size_t bytes) {
    MILLRACE_CHECK_EQ(bytes % bytes_unit_, 0U);
    std::vector<Waiter> granted;
    {
        const MutexLock lock(mutex_);
        limit_ += bytes;
        granted = grant_waiters();
    }
    deliver(granted);
}

Status Budget::grow(OwnerId owner, Change change) {
    std::vector<Ask> asks;
    {
        const MutexLock lock(mutex_);
        if (try_grow(owner, change)) return {};
        asks = asks_for(owner, change.reserved + change.in_pages);
    }
    for (const auto& ask : asks) (*ask.on_revoke)(ask.bytes);
    const MutexLock lock(mutex_);
    if (!asks.empty() && try_grow(owner, change)) return {};
    ++refusals_;
    return std::unexpected(
        Error{Code::kResourceExhausted, refusal(owner, change.reserved + change.in_pages)});
}

void Budget::shrink(OwnerId owner, Change change) {
    std::vector<Waiter> granted;
    {
        const MutexLock lock(mutex_);
        shrink_locked(owner, change);
        granted = grant_waiters();
    }
    deliver(granted);
}

std::size_t Budget::rounded_up(std::size_t bytes) const {
    const std::size_t over = bytes % bytes_unit_;
    if (over == 0) return bytes;
    const std::size_t down = bytes - over;
    return down > std::numeric_limits<std::size_t>::max() - bytes_unit_ ? down : down + bytes_unit_;
}

std::string Budget::tag_text(OwnerId owner) const {
    const MutexLock lock(mutex_);
    return at(owner).tag.to_string();
}

Budget::Owner& Budget::at(OwnerId id) {
    check_live(id);
    return owners_[index_of(id)];
}

const Budget::Owner& Budget::at(OwnerId id) const {
    check_live(id);
    return owners_[index_of(id)];
}

void Budget::check_live(OwnerId id) const {
    MILLRACE_CHECK_LT(index_of(id), owners_.size());
    MILLRACE_CHECK(owners_[index_of(id)].is_live);
    MILLRACE_CHECK_EQ(owners_[index_of(id)].use_count, use_count_of(id));
}

bool Budget::try_grow(OwnerId id, Change change) {
    if (change.reserved > limit_ || change.in_pages > limit_)
        return false;  // Sums cannot overflow.
    Owner& owner = at(id);
    const std::size_t reserved = owner.reserved + change.reserved;
    const std::size_t in_pages = owner.in_pages + change.in_pages;
    const std::size_t added = std::max(reserved, in_pages) - owner.bytes();
    if (added > limit_ - in_use_) return false;
    owner.reserved = reserved;
    owner.in_pages = in_pages;
    owner.peak = std::max(owner.peak, owner.bytes());
    in_pages_ += change.in_pages;
    in_use_ += added;
    peak_ = std::max(peak_, in_use_);
    return true;
}

void Budget::shrink_locked(OwnerId id, Change change) {
    Owner& owner = at(id);
    MILLRACE_CHECK_LE(change.reserved, owner.reserved);
    MILLRACE_CHECK_LE(change.in_pages, owner.in_pages);
    const std::size_t before = owner.bytes();
    owner.reserved -= change.reserved;
    owner.in_pages -= change.in_pages;
    in_pages_ -= change.in_pages;
    in_use_ -= before - owner.bytes();
}

std::vector<Budget::Ask> Budget::asks_for(OwnerId asker, std::size_t bytes) {
    std::vector<Ask> asks;
    const std::size_t free = limit_ - in_use_;
    std::size_t missing = bytes > free ? bytes - free : 0;
    // The youngest first: it has had the least time to put its memory to use.
    for (std::size_t i = revocables_.size(); i-- > 0 && missing > 0;) {
        Revocable& candidate = revocables_[i];
        if (candidate.owner == asker || candidate.is_asked) continue;
        candidate.is_asked = true;
        const std::size_t wanted = std::min(missing, candidate.bytes);
        asks.push_back({candidate.on_revoke, wanted});
        missing -= wanted;
    }
    return asks;
}

std::vector<Budget::Waiter> Budget::grant_waiters() {
    std::vector<Waiter> granted;
    while (!waiters_.empty() &&
           try_grow(waiters_.front().owner, {.reserved = waiters_.front().bytes})) {
        granted.push_back(std::move(waiters_.front()));
        waiters_.pop_front();
    }
    return granted;
}

BudgetUse Budget::use_locked() const {
    BudgetUse use;
    use.name = name_;
    use.bytes_limit = limit_;
    use.bytes_in_use = in_use_;
    use.bytes_peak = peak_;
    use.bytes_in_pages = in_pages_;
    use.refusals = refusals_;
    use.waiters = waiters_.size();
    for (const auto& owner : owners_) {
        if (!owner.is_live) continue;
        use.owners.push_back(
            {owner.tag, owner.bytes(), owner.peak, owner.reserved, owner.in_pages});
    }
    sort_largest_first(use.owners);
    return use;
}

std::string Budget::refusal(OwnerId owner, std::size_t bytes) const {
    return fmt::format(
        "{} has no room for {}: requested {}, free {} of {}; largest holders: {}. "
        "Hint: {}",
        name_, at(owner).tag.to_string(), format_bytes(bytes), format_bytes(limit_ - in_use_),
        format_bytes(limit_), largest_holders(use_locked().owners, kHoldersShown), hint_);
}

void Budget::deliver(const std::vector<Waiter>& granted) {
    for (const auto& waiter : granted)
        waiter.done(Reservation(*this, waiter.owner, waiter.bytes, 0));
}

void Budget::give_back(OwnerId owner, std::uint64_t revocable_id, std::size_t given,
                       std::size_t kept) {
    std::vector<Waiter> granted;
    {
        const MutexLock lock(mutex_);
        shrink_locked(owner, {.reserved = given});
        const auto found = std::ranges::find(revocables_, revocable_id, &Revocable::id);
        if (found != revocables_.end()) {
            found->bytes = kept;
            found->is_asked = false;
            if (kept == 0) revocables_.erase(found);
        }
        granted = grant_waiters();
    }
    deliver(granted);
}

}  // namespace millrace::memory
