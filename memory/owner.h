// Names who holds memory: every byte of a budget belongs to exactly one owner.
//
// An OwnerTag says what a person wants to read in a leak report or on the memory page. A budget
// interns it to an OwnerId, which is what the data path carries. The slot or account is not part
// of the tag: an owner lives in one budget, and that budget has the name.
//
// Threads:    values.
// Ownership:  an OwnerId is valid in the budget that made it, until that budget is closed.
// Limits:     Budget::kOwnersMax tags in one budget.
// Failure:    none.

#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

namespace millrace::memory {

// What the bytes are for.
enum class Purpose : std::uint8_t {
    kBatch,     // Columns on their way through the operators.
    kDecode,    // Input bytes and parser scratch.
    kState,     // Keyed and operator state.
    kTable,     // A model's weights, with its dirty map.
    kView,      // A model's serving view.
    kQueue,     // Queues of a client library, for example of librdkafka.
    kNetwork,   // Windows and buffers between tasks.
    kSnapshot,  // Copies made for a checkpoint.
    kScratch,   // Everything that lives within one step.
};

// The purpose as it stands in reports and metrics, for example "batch".
[[nodiscard]] std::string_view to_string(Purpose purpose);

struct OwnerTag {
    std::string job;            // The job's name or id; empty for the process itself.
    std::string operator_name;  // The operator, or the model for an account.
    std::uint32_t subtask = 0;
    Purpose purpose = Purpose::kScratch;

    auto operator<=>(const OwnerTag&) const = default;
    // For example "ctr/predict[3]/batch".
    [[nodiscard]] std::string to_string() const;
};

// The place of a tag in its budget (low half) and which use of that place it is (high half), so
// that an id kept past the closing of its budget is noticed.
enum class OwnerId : std::uint32_t {};

}  // namespace millrace::memory
