// The clauses of the operator contract (operators/operator.h), each as a check of one operator.
//
// A clause answers with what the operator broke, one sentence a breach, and with nothing when it
// keeps the contract; so the suite itself can be tested with operators that break it.
//
// Threads:    the case's.
// Failure:    ends the Catch2 case when the operator cannot even be set up.

#pragma once

#include <string_view>

#include "tests/contract/pilot.h"
#include "tests/contract/subject.h"

namespace millrace::contract {

// Opened, used in part, used to the end, or refused memory: its slot is empty after close().
[[nodiscard]] Breaches gives_all_memory_back(const Subject& subject);
// The same input gives the same output; a sink delivers as many rows as it took.
[[nodiscard]] Breaches is_deterministic(const Subject& subject);
// A slot that is too small is an Error with the numbers, and no leak.
[[nodiscard]] Breaches refuses_when_memory_is_short(const Subject& subject);
// Beside batches it takes no more of its slot than its spec declares, which is reserved for it, and
// declares no more than it takes.
[[nodiscard]] Breaches takes_the_scratch_it_declares(const Subject& subject);
// Mistakes in its options are refused before it runs, with words that lead to them.
[[nodiscard]] Breaches refuses_mistakes(const Subject& subject);
// Steps pass watermarks on, behind the rows before them, and say who is idle; sinks keep them.
[[nodiscard]] Breaches handles_watermarks(const Subject& subject);
// Rows that come over several inputs, which end one after the other, are what they are over one. An
// input that it does not take is left alone until it rings.
[[nodiscard]] Breaches takes_several_inputs(const Subject& subject);
// It ends once, with or without input, and says nothing afterwards.
[[nodiscard]] Breaches ends_once(const Subject& subject);
// While the outside stands still it says kBlocked and holds no more memory; then it goes on, and
// nothing is lost or repeated.
[[nodiscard]] Breaches waits_for_the_outside(const Subject& subject);

// Snapshot at every boundary, then a fresh instance: together they say what one would have said.
[[nodiscard]] Breaches goes_on_after_a_restore(const Subject& subject);
// Behind the end a snapshot is still its state: an instance that is restored from it says and
// delivers nothing more.
[[nodiscard]] Breaches keeps_its_state_behind_the_end(const Subject& subject);
// Barriers between its batches, decided or not, change nothing of what it says.
[[nodiscard]] Breaches is_not_disturbed_by_barriers(const Subject& subject);
// A failure behind an undecided checkpoint: rows since the decided one come again, once.
[[nodiscard]] Breaches goes_back_to_the_decided_checkpoint(const Subject& subject);
// A snapshot that is cut off or of another version is an Error.
[[nodiscard]] Breaches refuses_damaged_snapshots(const Subject& subject);

// One scenario: the outside, the job around the operator, and what was supplied to it so far.
struct Scenario {
    explicit Scenario(Subject subject);
    // Sources: puts rows up to `row` where the operator reads them.
    void supply_to(std::size_t row);

    const Subject subject;
    Outside outside;
    Stage stage{subject, outside};
    std::size_t supplied = 0;
};

// One instance of the operator, from made to closed, driven in parts: a step's batches, or quarters
// of what a source has.
class Session {
  public:
    explicit Session(Scenario& scenario, std::chrono::milliseconds patience = Pilot::kPatience,
                     std::uint32_t inputs = 1);
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;
    ~Session() { close(); }

    // How far sessions have come.
    struct Mark {
        std::size_t part = 0;
        std::size_t rows = 0;
    };

    Status open() { return open(nullptr, {}); }
    Status open(state::SnapshotReader* restored, Mark from);
    [[nodiscard]] std::size_t parts();
    [[nodiscard]] Mark mark() const { return {part_, rows_before_ + pilot_->said().rows}; }
    // Goes on until part `part` is done.
    Status run_to(std::size_t part);
    Status end();
    // Steps only, in place of run_to() and end(): deals the batches out to all inputs in turn.
    Status run_all_inputs();
    void close();

    [[nodiscard]] Pilot& pilot() { return *pilot_; }
    // What it broke; the session's own words are added with `breach`.
    [[nodiscard]] Breaches breaches() const;
    void breach(std::string text) { own_breaches_.push_back(std::move(text)); }

  private:
    Scenario& scenario_;
    const std::uint32_t inputs_;
    Stage::Seat& seat_;
    std::unique_ptr<operators::Operator> operator_;
    std::unique_ptr<Pilot> pilot_;
    Breaches own_breaches_;
    std::size_t part_ = 0;
    std::size_t rows_before_ = 0;  // That earlier sessions emitted, sources only.
    bool is_open_ = false;
};

// Everything that one undisturbed run says and delivers.
struct Outcome {
    Said said;
    Lines delivered;
};
[[nodiscard]] Outcome undisturbed(const Subject& subject, Breaches& breaches);
[[nodiscard]] Lines delivered_by(Scenario& scenario);
void append(Breaches& to, const Breaches& more);
// Adds a breach where the two differ, with the first difference.
void compare(Breaches& breaches, std::string_view what, const Lines& wanted, const Lines& got);
// The same for a Status.
void expect_ok(Breaches& breaches, std::string_view what, const Status& status);

}  // namespace millrace::contract
