#include "memory/reservation.h"

#include <utility>

#include "memory/budget.h"
#include "runtime/base/check.h"

namespace millrace::memory {

Reservation::Reservation(Reservation&& other) noexcept
    : budget_(std::exchange(other.budget_, nullptr)),
      owner_(other.owner_),
      bytes_(std::exchange(other.bytes_, 0)),
      revocable_id_(std::exchange(other.revocable_id_, 0)) {}

Reservation& Reservation::operator=(Reservation&& other) noexcept {
    if (this != &other) {
        release();
        budget_ = std::exchange(other.budget_, nullptr);
        owner_ = other.owner_;
        bytes_ = std::exchange(other.bytes_, 0);
        revocable_id_ = std::exchange(other.revocable_id_, 0);
    }
    return *this;
}

void Reservation::shrink_to(std::size_t bytes) {
    MILLRACE_CHECK_LE(bytes, bytes_);
    if (budget_ == nullptr) return;
    const std::size_t kept = budget_->rounded_up(bytes);
    const std::size_t given = bytes_ - kept;
    bytes_ = kept;
    budget_->give_back(owner_, revocable_id_, given, kept);
    if (kept == 0) budget_ = nullptr;
}

void Reservation::release() { shrink_to(0); }

}  // namespace millrace::memory
