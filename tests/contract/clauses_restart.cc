// The clauses about snapshots, restores and the two-phase commit.

#include <algorithm>
#include <utility>

#include <catch2/catch.hpp>

#include "tests/contract/clauses.h"

namespace millrace::contract {
namespace {

// Takes snapshot `id`; a breach when it never settles.
void snapshot(Session& session, std::uint64_t id, state::MemorySnapshot& into, Breaches& breaches) {
    const auto done = session.pilot().snapshot(id, into);
    if (!done) breaches.push_back("snapshot: " + done.error().message);
    if (!done.value_or(true)) breaches.emplace_back("snapshot: kBlocked and never rang its Waker");
}

Lines joined(Lines first, const Lines& second) {
    first.insert(first.end(), second.begin(), second.end());
    return first;
}

// Runs a fresh instance from `cut` to the end, and says what it said. Its decision comes again.
Said rest_in(Scenario& scenario, state::MemorySnapshot& cut, Session::Mark from,
             std::uint64_t decided, Breaches& breaches) {
    Session session(scenario);
    expect_ok(breaches, "restore", session.open(&cut, from));
    expect_ok(breaches, "commit", session.pilot().commit(decided));
    expect_ok(breaches, "after a restore", session.run_to(session.parts()));
    expect_ok(breaches, "end", session.end());
    session.close();
    append(breaches, session.breaches());
    return session.pilot().said();
}

// The same, behind an instance that said `before` in `scenario`.
Said rest_of(Scenario& scenario, const Said& before, state::MemorySnapshot& cut, Session::Mark from,
             std::uint64_t decided, Breaches& breaches) {
    if (!scenario.subject.bring_to) return rest_in(scenario, cut, from, decided, breaches);
    Scenario fresh(scenario.subject);
    scenario.subject.bring_to(fresh.stage, before);
    return rest_in(fresh, cut, from, decided, breaches);
}

void check_damaged(const Subject& subject, state::MemorySnapshot& damaged, std::string_view how,
                   Breaches& breaches) {
    Scenario scenario(subject);
    Session session(scenario);
    Status status = session.open(&damaged, {});
    // Some look at their state when they begin to work.
    if (status) status = session.run_to(1);
    if (status) breaches.push_back(fmt::format("took a snapshot that is {}", how));
    session.close();
}

state::MemorySnapshot changed(const state::MemorySnapshot& whole, const std::string& section,
                              const std::function<void(std::vector<std::byte>&)>& change) {
    state::MemorySnapshot made;
    for (const auto& [name, bytes] : whole.sections()) {
        std::vector<std::byte> copy = bytes;
        if (name == section) change(copy);
        REQUIRE(made.write(name, copy));
    }
    return made;
}

}  // namespace

Breaches goes_on_after_a_restore(const Subject& subject) {
    Breaches breaches;
    const Outcome whole = undisturbed(subject, breaches);
    const std::size_t parts = [&] {
        Scenario scenario(subject);
        return Session(scenario).parts();
    }();
    for (std::size_t part = 0; part <= parts && breaches.empty(); ++part) {
        Scenario scenario(subject);
        Session first(scenario);
        expect_ok(breaches, "open", first.open());
        expect_ok(breaches, "before the snapshot", first.run_to(part));
        state::MemorySnapshot cut;
        snapshot(first, 1, cut, breaches);
        const Session::Mark mark = first.mark();
        first.close();
        append(breaches, first.breaches());
        const Said before = first.pilot().said();
        const Said after = rest_of(scenario, before, cut, mark, 1, breaches);
        const std::string what = fmt::format("cut at part {} of {}", part, parts);
        compare(breaches, what + ", rows", whole.said.main, joined(before.main, after.main));
        compare(breaches, what + ", second output", whole.said.side,
                joined(before.side, after.side));
        compare(breaches, what + ", rejected", whole.said.rejected,
                joined(before.rejected, after.rejected));
        compare(breaches, what + ", delivered", whole.delivered, delivered_by(scenario));
    }
    return breaches;
}

Breaches keeps_its_state_behind_the_end(const Subject& subject) {
    Breaches breaches;
    const Outcome whole = undisturbed(subject, breaches);
    Scenario scenario(subject);
    Session first(scenario);
    expect_ok(breaches, "open", first.open());
    expect_ok(breaches, "process", first.run_to(first.parts()));
    expect_ok(breaches, "end", first.end());
    state::MemorySnapshot cut;
    state::MemorySnapshot again;
    snapshot(first, 1, cut, breaches);
    expect_ok(breaches, "commit", first.pilot().commit(1));
    snapshot(first, 2, again, breaches);
    if (cut.sections() != again.sections())
        breaches.emplace_back("snapshot: two behind the end differ");
    expect_ok(breaches, "abort", first.pilot().abort(2));
    const Session::Mark mark = first.mark();
    first.close();
    append(breaches, first.breaches());
    compare(breaches, "behind the end, rows", whole.said.main, first.pilot().said().main);
    const Said after = rest_of(scenario, first.pilot().said(), cut, mark, 1, breaches);
    compare(breaches, "restored behind the end, rows", {}, after.main);
    compare(breaches, "restored behind the end, second output", {}, after.side);
    compare(breaches, "restored behind the end, delivered", whole.delivered,
            delivered_by(scenario));
    return breaches;
}

Breaches is_not_disturbed_by_barriers(const Subject& subject) {
    Breaches breaches;
    const Outcome whole = undisturbed(subject, breaches);
    Scenario scenario(subject);
    Session session(scenario);
    Pilot& pilot = session.pilot();
    expect_ok(breaches, "open", session.open());
    std::uint64_t id = 0;
    for (std::size_t part = 0; part <= session.parts(); ++part) {
        expect_ok(breaches, "process", session.run_to(part));
        // Three checkpoints: decided, given up, decided and told twice.
        state::MemorySnapshot first;
        state::MemorySnapshot again;
        state::MemorySnapshot last;
        snapshot(session, ++id, first, breaches);
        expect_ok(breaches, "commit", pilot.commit(id));
        snapshot(session, ++id, again, breaches);
        if (first.sections() != again.sections())
            breaches.emplace_back("snapshot: two of the same state differ");
        expect_ok(breaches, "abort", pilot.abort(id));
        snapshot(session, ++id, last, breaches);
        expect_ok(breaches, "commit", pilot.commit(id));
        expect_ok(breaches, "commit again", pilot.commit(id));
    }
    expect_ok(breaches, "end", session.end());
    session.close();
    append(breaches, session.breaches());
    compare(breaches, "with barriers, rows", whole.said.main, pilot.said().main);
    compare(breaches, "with barriers, second output", whole.said.side, pilot.said().side);
    compare(breaches, "with barriers, delivered", whole.delivered, delivered_by(scenario));
    return breaches;
}

Breaches goes_back_to_the_decided_checkpoint(const Subject& subject) {
    Breaches breaches;
    if (subject.is_live || subject.shares_state) return breaches;
    const Outcome whole = undisturbed(subject, breaches);
    Scenario scenario(subject);
    state::MemorySnapshot decided;
    Session::Mark mark;
    Said before;
    {
        Session first(scenario);
        expect_ok(breaches, "open", first.open());
        expect_ok(breaches, "process", first.run_to(1));
        snapshot(first, 1, decided, breaches);
        mark = first.mark();
        before = first.pilot().said();
        expect_ok(breaches, "commit", first.pilot().commit(1));
        expect_ok(breaches, "process", first.run_to(2));
        state::MemorySnapshot undecided;
        snapshot(first, 2, undecided, breaches);
        // It fails here, before anybody has decided about checkpoint 2.
        first.close();
        append(breaches, first.breaches());
    }
    const Said after = rest_of(scenario, before, decided, mark, 1, breaches);
    compare(breaches, "from the decided checkpoint, rows", whole.said.main,
            joined(before.main, after.main));
    Lines delivered = delivered_by(scenario);
    if (!subject.may_repeat) {
        compare(breaches, "from the decided checkpoint, delivered", whole.delivered, delivered);
        return breaches;
    }
    // At least once: everything is there, whatever came twice.
    Lines wanted = whole.delivered;
    std::sort(wanted.begin(), wanted.end());
    std::sort(delivered.begin(), delivered.end());
    if (!std::includes(delivered.begin(), delivered.end(), wanted.begin(), wanted.end()))
        breaches.emplace_back("rows behind the decided checkpoint are lost");
    return breaches;
}

Breaches refuses_damaged_snapshots(const Subject& subject) {
    Breaches breaches;
    Scenario scenario(subject);
    state::MemorySnapshot whole;
    {
        Session session(scenario);
        expect_ok(breaches, "open", session.open());
        expect_ok(breaches, "process", session.run_to(1));
        snapshot(session, 1, whole, breaches);
    }
    for (const auto& [section, bytes] : whole.sections()) {
        auto cut = changed(whole, section, [](auto& b) { b.pop_back(); });
        check_damaged(subject, cut, "cut off", breaches);
        auto newer = changed(whole, section, [](auto& b) { b[0] = std::byte{0xee}; });
        check_damaged(subject, newer, "of an unknown version", breaches);
    }
    return breaches;
}

}  // namespace millrace::contract
