// Every registered operator keeps every clause of the operator contract.

#include <catch2/catch.hpp>

#include "operators/registry.h"
#include "tests/contract/clauses.h"

namespace millrace::contract {
namespace {

// Checks one clause of every operator, and reports all that break it.
void require_of_all(Breaches (*clause)(const Subject&)) {
    for (const Subject& subject : subjects()) {
        CAPTURE(name_of(subject.role, subject.type));
        for (const std::string& breach : clause(subject)) FAIL_CHECK(breach);
    }
}

}  // namespace

TEST_CASE("Every registered operator has an entry in the contract suite", "[contract]") {
    for (const operators::OperatorSpec& spec : operators::builtin_operators().specs()) {
        CAPTURE(name_of(spec.role, spec.type));
        INFO("Add it to tests/contract/subjects.cc");
        CHECK(find_subject(spec.role, spec.type) != nullptr);
        CHECK_FALSE(spec.doc.empty());
    }
    CHECK(subjects().size() == operators::builtin_operators().specs().size());
}

TEST_CASE("Every operator gives all of its memory back when it is closed", "[contract]") {
    require_of_all(gives_all_memory_back);
}

TEST_CASE("Every operator makes the same of the same input", "[contract]") {
    require_of_all(is_deterministic);
}

TEST_CASE("Every operator says when its slot is too small and leaks nothing", "[contract]") {
    require_of_all(refuses_when_memory_is_short);
}

TEST_CASE("Every operator takes the scratch that it declares and that is reserved for it",
          "[contract]") {
    require_of_all(takes_the_scratch_it_declares);
}

TEST_CASE("Every operator refuses mistakes in its options in words that name them", "[contract]") {
    for (const Subject& subject : subjects()) {
        CAPTURE(name_of(subject.role, subject.type));
        CHECK((!subject.mistakes.empty() || subject.type == "discard"));
    }
    require_of_all(refuses_mistakes);
}

TEST_CASE("Every step passes watermarks on behind its rows and every sink keeps them",
          "[contract]") {
    require_of_all(handles_watermarks);
}

TEST_CASE("Every step and sink takes rows over several inputs that end one by one", "[contract]") {
    require_of_all(takes_several_inputs);
}

TEST_CASE("Every operator ends once and says nothing afterwards", "[contract]") {
    require_of_all(ends_once);
}

TEST_CASE("Every operator that waits for the outside holds no more memory and loses nothing",
          "[contract]") {
    require_of_all(waits_for_the_outside);
}

TEST_CASE("Every operator goes on after a restore as if nothing had happened", "[contract]") {
    require_of_all(goes_on_after_a_restore);
}

TEST_CASE("Every operator's snapshot behind the end is still its state", "[contract]") {
    require_of_all(keeps_its_state_behind_the_end);
}

TEST_CASE("No operator is disturbed by barriers, decided or given up", "[contract]") {
    require_of_all(is_not_disturbed_by_barriers);
}

TEST_CASE("Every operator goes back to the decided checkpoint after a failure", "[contract]") {
    require_of_all(goes_back_to_the_decided_checkpoint);
}

TEST_CASE("Every operator refuses a snapshot that is damaged", "[contract]") {
    require_of_all(refuses_damaged_snapshots);
}

}  // namespace millrace::contract
