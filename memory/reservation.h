// Holds a part of a budget for one owner until it is destroyed.
//
// A reservation is a floor under its owner: pages that the owner allocates count against the floor
// first and fall back into it when they are freed, so a working set that was reserved once is never
// refused later. Several reservations of one owner add up. What takes no pages (the queues of a
// client library) is accounted by a reservation alone and needs an owner of its own.
//
// Threads:    one owner at a time; may be destroyed by any thread.
// Ownership:  borrows its budget, which must outlive it.
// Limits:     those of the budget.
// Failure:    none.

#pragma once

#include <cstddef>
#include <cstdint>

#include "memory/owner.h"

namespace millrace::memory {

class Budget;

class Reservation {
  public:
    Reservation() = default;
    Reservation(Reservation&& other) noexcept;
    Reservation& operator=(Reservation&& other) noexcept;
    ~Reservation() { release(); }

    // Bytes held; 0 when empty or released.
    [[nodiscard]] std::size_t bytes() const { return bytes_; }
    [[nodiscard]] OwnerId owner() const { return owner_; }

    // Gives back all above `bytes`. REQUIRES: bytes <= this->bytes().
    void shrink_to(std::size_t bytes);
    // Gives everything back; afterwards this is empty. May be repeated.
    void release();

  private:
    friend class Budget;
    Reservation(Budget& budget, OwnerId owner, std::size_t bytes, std::uint64_t revocable_id)
        : budget_(bytes == 0 ? nullptr : &budget),
          owner_(owner),
          bytes_(bytes),
          revocable_id_(revocable_id) {}

    Budget* budget_ = nullptr;
    OwnerId owner_{};
    std::size_t bytes_ = 0;
    std::uint64_t revocable_id_ = 0;  // 0: cannot be revoked.
};

}  // namespace millrace::memory
