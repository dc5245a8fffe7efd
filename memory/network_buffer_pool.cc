#include "memory/network_buffer_pool.h"

#include <algorithm>
#include <utility>

#include "memory/byte_size.h"
#include "memory/redistribution.h"
#include "runtime/base/check.h"

namespace millrace::memory {
namespace {

// Buffers to keep free for a pool that is below its floor.
std::uint32_t kept_for(const LocalPoolRecord& record) {
    const std::uint32_t floor = record.limits.buffers_floor;
    return record.lent < floor ? floor - record.lent : 0;
}

}  // namespace

Result<std::unique_ptr<NetworkBufferPool>> NetworkBufferPool::create(const Options& options) {
    constexpr std::size_t kPage = 4096;
    if (options.buffers == 0 || options.buffer_bytes == 0 || options.buffer_bytes % kPage != 0) {
        return fail(Code::kInvalidArgument,
                    "network region needs at least one buffer of whole 4 KiB pages: {} of {} bytes",
                    options.buffers, options.buffer_bytes);
    }
    MILLRACE_TRY_ASSIGN(
        MappedRegion region,
        MappedRegion::map("network", options.buffers * options.buffer_bytes, options.prefault));
    return std::unique_ptr<NetworkBufferPool>(new NetworkBufferPool(options, std::move(region)));
}

NetworkBufferPool::NetworkBufferPool(const Options& options, MappedRegion region)
    : options_(options), region_(std::move(region)), headers_(options.buffers) {
    free_.reserve(options.buffers);
    for (std::uint32_t i = options.buffers; i-- > 0;) free_.push_back(i);
}

NetworkBufferPool::~NetworkBufferPool() {
    const MutexLock lock(mutex_);
    MILLRACE_CHECK(records_.empty());
    MILLRACE_CHECK_EQ(free_.size(), std::size_t{options_.buffers});
}

Result<std::unique_ptr<LocalBufferPool>> NetworkBufferPool::create_pool(
    std::string name, LocalBufferPool::Limits limits, std::function<void()> on_available) {
    {
        const MutexLock lock(mutex_);
        const std::uint32_t claimed = floors_ + floors_granted_ + unpooled_;
        if (limits.buffers_floor > options_.buffers - claimed) {
            ++refusals_;
            return std::unexpected(shortage(limits.buffers_floor).with_context(name));
        }
        floors_granted_ += limits.buffers_floor;
    }
    return std::make_unique<LocalBufferPool>(*this, std::move(name), limits,
                                             std::move(on_available));
}

Result<std::vector<NetworkBuffer>> NetworkBufferPool::lend_unpooled(std::uint32_t count) {
    std::vector<NetworkBuffer> buffers;
    buffers.reserve(count);
    const MutexLock lock(mutex_);
    if (count > options_.buffers - floors_ - floors_granted_ - unpooled_) {
        ++refusals_;
        return std::unexpected(shortage(count));
    }
    if (count > free_.size() - std::min<std::size_t>(free_.size(), kept_for_floors_)) {
        ++refusals_;
        return fail(Code::kUnavailable,
                    "network buffers are still on loan above the floors of other pools: required "
                    "{}, free now {} of {}",
                    count, free_.size(), options_.buffers);
    }
    for (std::uint32_t i = 0; i < count; ++i) buffers.push_back(lend(nullptr));
    redistribute();
    return buffers;
}

std::uint32_t NetworkBufferPool::available() const {
    const MutexLock lock(mutex_);
    const auto free = static_cast<std::uint32_t>(free_.size());
    return free - std::min(free, kept_for_floors_);
}

std::uint32_t NetworkBufferPool::in_use() const {
    const MutexLock lock(mutex_);
    return options_.buffers - static_cast<std::uint32_t>(free_.size());
}

std::uint32_t NetworkBufferPool::required() const {
    const MutexLock lock(mutex_);
    return floors_ + floors_granted_ + unpooled_;
}

BudgetUse NetworkBufferPool::use() const {
    const MutexLock lock(mutex_);
    const std::size_t lent = (options_.buffers - free_.size()) * options_.buffer_bytes;
    BudgetUse use;
    use.name = "network";
    use.bytes_limit = options_.buffers * options_.buffer_bytes;
    use.bytes_in_use = lent;
    use.bytes_peak = lent_peak_ * options_.buffer_bytes;
    use.bytes_in_pages = lent;
    use.refusals = refusals_;
    use.waiters = waiting_.size();
    const auto add = [&](const std::string& name, std::uint32_t now, std::uint32_t floor) {
        OwnerUse owner;
        owner.tag.operator_name = name;
        owner.tag.purpose = Purpose::kNetwork;
        owner.bytes_now = now * options_.buffer_bytes;
        owner.bytes_reserved = floor * options_.buffer_bytes;
        owner.bytes_in_pages = owner.bytes_now;
        use.owners.push_back(std::move(owner));
    };
    for (const auto& record : records_) add(record.name, record.lent, record.limits.buffers_floor);
    if (unpooled_ != 0) add("unpooled", unpooled_, unpooled_);
    sort_largest_first(use.owners);
    return use;
}

LocalPoolRecord* NetworkBufferPool::attach(std::string name, LocalBufferPool::Limits limits,
                                           std::function<void()> on_available) {
    MILLRACE_CHECK_GE(limits.buffers_floor, 1U);
    MILLRACE_CHECK_LE(limits.buffers_floor, limits.buffers_ceiling);
    MILLRACE_CHECK(on_available != nullptr);
    LocalPoolRecord* record = nullptr;
    Bells bells;
    {
        const MutexLock lock(mutex_);
        MILLRACE_CHECK_LE(limits.buffers_floor, floors_granted_);
        floors_granted_ -= limits.buffers_floor;
        floors_ += limits.buffers_floor;
        kept_for_floors_ += limits.buffers_floor;
        record = &records_.emplace_back();
        record->name = std::move(name);
        record->limits = limits;
        record->on_available = std::move(on_available);
        redistribute();
        bells = bells_to_ring();
    }
    ring(bells);
    return record;
}

void NetworkBufferPool::detach(LocalPoolRecord* record) {
    Bells bells;
    {
        const MutexLock lock(mutex_);
        calls_ended_.wait(mutex_, [&] { return record->calls == 0; });
        MILLRACE_CHECK_EQ(record->lent, 0U);
        floors_ -= record->limits.buffers_floor;
        kept_for_floors_ -= record->limits.buffers_floor;
        std::erase(waiting_, record);
        records_.remove_if([&](const LocalPoolRecord& other) { return &other == record; });
        redistribute();
        bells = bells_to_ring();
    }
    ring(bells);
}

std::optional<NetworkBuffer> NetworkBufferPool::try_lend(LocalPoolRecord& record) {
    const MutexLock lock(mutex_);
    if (can_lend(record)) return lend(&record);
    if (!record.is_waiting) {
        record.is_waiting = true;
        waiting_.push_back(&record);
    }
    return std::nullopt;
}

void NetworkBufferPool::take_back(NetworkBufferHeader& header) {
    Bells bells;
    {
        const MutexLock lock(mutex_);
        free_.push_back(static_cast<std::uint32_t>(&header - headers_.data()));
        if (LocalPoolRecord* lender = header.lender; lender != nullptr) {
            --lender->lent;
            if (lender->lent < lender->limits.buffers_floor) ++kept_for_floors_;
        } else {
            --unpooled_;
            redistribute();
        }
        bells = bells_to_ring();
    }
    ring(bells);
}

bool NetworkBufferPool::can_lend(const LocalPoolRecord& record) const {
    if (record.lent >= record.buffers_now) return false;
    return kept_for(record) > 0 ? !free_.empty() : free_.size() > kept_for_floors_;
}

NetworkBuffer NetworkBufferPool::lend(LocalPoolRecord* lender) {
    const std::uint32_t index = free_.back();
    free_.pop_back();
    if (lender == nullptr) {
        ++unpooled_;
    } else {
        if (kept_for(*lender) > 0) --kept_for_floors_;
        ++lender->lent;
    }
    lent_peak_ = std::max(lent_peak_, options_.buffers - static_cast<std::uint32_t>(free_.size()));
    NetworkBufferHeader& header = headers_[index];
    header.references.store(1, std::memory_order_relaxed);
    header.used_bytes = 0;
    header.parent = this;
    header.lender = lender;
    return {header, region_.bytes(index * options_.buffer_bytes, options_.buffer_bytes)};
}

void NetworkBufferPool::redistribute() {
    std::vector<LocalBufferPool::Limits> limits;
    limits.reserve(records_.size());
    for (const auto& record : records_) limits.push_back(record.limits);
    const std::vector<std::uint32_t> sizes =
        divide_buffers(options_.buffers - floors_ - floors_granted_ - unpooled_, limits);
    std::size_t i = 0;
    for (auto& record : records_) record.buffers_now = sizes[i++];
}

NetworkBufferPool::Bells NetworkBufferPool::bells_to_ring() {
    Bells bells;
    // Everybody who could lend now, even if there are fewer buffers: the one who is told may have
    // lost interest, and who finds nothing waits again.
    for (auto waiting = waiting_.begin(); waiting != waiting_.end();) {
        LocalPoolRecord* record = *waiting;
        if (!can_lend(*record)) {
            ++waiting;
            continue;
        }
        record->is_waiting = false;
        ++record->calls;
        bells.push_back(record);
        waiting = waiting_.erase(waiting);
    }
    return bells;
}

void NetworkBufferPool::ring(const Bells& bells) {
    if (bells.empty()) return;
    for (LocalPoolRecord* record : bells) record->on_available();
    const MutexLock lock(mutex_);
    for (LocalPoolRecord* record : bells) --record->calls;
    calls_ended_.notify_all();
}

Error NetworkBufferPool::shortage(std::uint32_t wanted) const {
    const std::uint32_t available = options_.buffers - floors_ - floors_granted_ - unpooled_;
    return {Code::kResourceExhausted,
            fmt::format("Insufficient number of network buffers: required {}, but only {} "
                        "available of {} buffers of {} each ({}). Hint: raise "
                        "taskmanager.memory.network.fraction, taskmanager.memory.network.min or "
                        "taskmanager.memory.network.max, or lower the parallelism.",
                        wanted, available, options_.buffers, format_bytes(options_.buffer_bytes),
                        format_bytes(options_.buffers * options_.buffer_bytes))};
}

}  // namespace millrace::memory
