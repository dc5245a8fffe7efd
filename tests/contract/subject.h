// What the contract suite needs to know of one operator: a job that has it, and its outside.
//
// A newcomer adds one entry to subjects.cc; the suite fails until there is one.
//
// Threads:    values; functions are called on the case's thread.
// Failure:    the functions end the Catch2 case.

#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "operators/registry.h"
#include "tests/contract/outside.h"

namespace millrace::contract {

class Stage;
struct Said;

// A mistake in the job file: the text `from` is replaced by `to`, and the refusal contains `says`.
struct Mistake {
    std::string from;
    std::string to;
    std::string says;
};

struct Subject {
    operators::Role role = operators::Role::kStep;
    std::string type;
    std::string job;   // A whole job file; ${FOLDER} is a folder of the scenario's own.
    std::string node;  // Which of its operators; "<stream>.features" for a feature compiler.
    // At least one, unless the operator takes no options.
    std::vector<Mistake> mistakes = {};

    // Sources: the input, put where the operator reads it. Rows `from` to `to`; called once for all
    // of them, or in pieces if `is_live`.
    std::function<void(Outside&, std::size_t from, std::size_t to)> supply = {};
    std::size_t rows = 0;  // That a source emits in all.
    bool ends = false;     // A source whose input ends.
    bool is_live = false;  // What was read and not emitted is gone: not replayable.
    // Before the operator is made, with the rest of the job there.
    std::function<void(Stage&)> prepare = {};
    // What reached the world outside of the job, or a shared model.
    std::function<Lines(Stage&)> delivered = {};
    bool may_repeat = false;  // After a failure it delivers rows again: at least once.
    // Makes it unable to go on, and able again; the latter may be called any number of times. With
    // them, how many rows were delivered.
    std::function<void(Stage&)> stall = {};
    std::function<void(Stage&)> release = {};
    std::function<std::size_t(Stage&)> rows_delivered = {};
    // The state is in what tasks share, so that a restarted instance finds it there.
    bool shares_state = false;
    // Its input comes from what tasks share: brings that, in a fresh stage, to where the instance
    // before was cut, which had said this.
    std::function<void(Stage&, const Said&)> bring_to = {};
    // Replaces the registry's factory, for operators that break the contract on purpose.
    std::function<std::unique_ptr<operators::Operator>(std::unique_ptr<operators::Operator>)> wrap =
        {};
};

// One entry for each operator of the registry.
[[nodiscard]] std::span<const Subject> subjects();
[[nodiscard]] const Subject* find_subject(operators::Role role, std::string_view type);
// "source kafka", for messages.
[[nodiscard]] std::string name_of(operators::Role role, std::string_view type);

}  // namespace millrace::contract
