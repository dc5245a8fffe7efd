#include "tests/contract/clauses.h"

#include <algorithm>
#include <utility>

#include <catch2/catch.hpp>

namespace millrace::contract {
namespace {

constexpr std::size_t kSourceParts = 4;
// Calls that say kBlocked long enough to tell that the operator waits.
constexpr std::chrono::milliseconds kShortPatience{40};

bool is_sink(const Subject& subject) { return subject.role == operators::Role::kSink; }

// Runs one session to the end, and stops at the first Error.
Status run_all(Session& session) {
    MILLRACE_TRY(session.open());
    MILLRACE_TRY(session.run_to(session.parts()));
    return session.end();
}

void check_empty_slot(Breaches& breaches, std::string_view when, Stage& stage) {
    if (std::string leak = stage.leak(); !leak.empty())
        breaches.push_back(fmt::format("{}: memory did not come back: {}", when, leak));
}

std::string replaced(std::string text, const Mistake& mistake) {
    const std::size_t at = text.find(mistake.from);
    REQUIRE(at != std::string::npos);
    return text.replace(at, mistake.from.size(), mistake.to);
}

// What making the operator of this job answers.
Status make_of(const Subject& subject, Scenario& scenario, const std::string& job) {
    MILLRACE_TRY_ASSIGN(const auto planned, PlannedJob::of(job, scenario.outside));
    const operators::OperatorRequest request = planned->request(planned->index_of(subject.node));
    MILLRACE_TRY_ASSIGN(const operators::OperatorSpec* spec,
                        operators::builtin_operators().find(request));
    MILLRACE_TRY(spec->make(request, scenario.stage.resources()));
    return {};
}

}  // namespace

// ------------------------------------------------------------------------------- the driving

Scenario::Scenario(Subject subject_in) : subject(std::move(subject_in)) {
    if (subject.supply && !subject.is_live) supply_to(subject.rows);
}

void Scenario::supply_to(std::size_t row) {
    if (!subject.supply || row <= supplied) return;
    subject.supply(outside, std::exchange(supplied, row), row);
}

Session::Session(Scenario& scenario, std::chrono::milliseconds patience, std::uint32_t inputs)
    : scenario_(scenario), inputs_(inputs), seat_(scenario.stage.take_seat()) {
    auto made = scenario.stage.make(inputs);
    if (!made) FAIL(made.error().message);
    operator_ = std::move(*made);
    pilot_ = std::make_unique<Pilot>(*operator_, seat_, scenario.outside.clock, patience);
    pilot_->expect(scenario.stage.schema(0), scenario.stage.schema(1));
}

Status Session::open(state::SnapshotReader* restored, Mark from) {
    part_ = from.part;
    rows_before_ = from.rows;
    // close() is due once open() of the operator has succeeded, whatever a restore says.
    MILLRACE_TRY(pilot_->open());
    is_open_ = true;
    if (restored != nullptr) MILLRACE_TRY(pilot_->restore(*restored));
    if (!pilot_->is_source()) return {};
    const operators::Split split{.index = 0,
                                 .name = "rows/0",
                                 .topic = std::string(Outside::kTopic),
                                 .partition = 0,
                                 .start_ordinal = 0};
    const bool has_split = scenario_.subject.role == operators::Role::kSource;
    return pilot_->add_splits(std::span(&split, has_split ? 1 : 0));
}

std::size_t Session::parts() {
    return pilot_->is_source() ? kSourceParts : scenario_.stage.input().size();
}

Status Session::run_to(std::size_t part) {
    if (pilot_->is_source()) {
        part_ = part;
        const std::size_t target = scenario_.subject.rows * part / kSourceParts;
        scenario_.supply_to(target);
        return target > rows_before_ ? pilot_->poll_until(target - rows_before_) : Status{};
    }
    while (part_ < part) {
        MILLRACE_TRY_ASSIGN(const bool taken, pilot_->give(scenario_.stage.input()[part_++]));
        if (!taken) breach("process: said kBlocked and never rang its Waker");
    }
    return {};
}

Status Session::end() {
    if (!pilot_->is_source()) {
        MILLRACE_TRY_ASSIGN(const bool ended, pilot_->end());
        if (!ended) breach("on_end: said kBlocked and never rang its Waker");
        return {};
    }
    if (scenario_.subject.ends) MILLRACE_TRY(pilot_->poll_until(SIZE_MAX));
    if (pilot_->has_ended() != scenario_.subject.ends)
        breach("poll: said kEnd although more may come");
    return {};
}

Status Session::run_all_inputs() {
    const std::vector<data::BatchPtr>& input = scenario_.stage.input();
    std::vector<std::size_t> next(inputs_);  // Of each input: the batch that comes next.
    std::vector<std::uint32_t> open(inputs_);
    for (std::uint32_t i = 0; i < inputs_; ++i) open[i] = i, next[i] = i;
    while (!open.empty()) {
        MILLRACE_TRY_ASSIGN(const bool any, pilot_->wait_until_takes(open));
        if (!any) return breach("takes: refused every input and never rang its Waker"), Status{};
        for (std::size_t at = 0; at < open.size();) {
            const std::uint32_t one = open[at];
            if (next[one] >= input.size()) {
                MILLRACE_TRY(pilot_->end_input(one));
                open.erase(open.begin() + static_cast<std::ptrdiff_t>(at));
                continue;
            }
            ++at;
            if (!pilot_->takes(one)) continue;
            MILLRACE_TRY_ASSIGN(const bool taken, pilot_->give(input[next[one]], one));
            if (!taken) breach("process: said kBlocked and never rang its Waker");
            next[one] += inputs_;
        }
    }
    MILLRACE_TRY_ASSIGN(const bool ended, pilot_->end_step());
    if (!ended) breach("on_end: said kBlocked and never rang its Waker");
    return {};
}

void Session::close() {
    if (std::exchange(is_open_, false)) pilot_->close();
    operator_.reset();
}

Breaches Session::breaches() const {
    Breaches all = own_breaches_;
    append(all, pilot_->breaches());
    return all;
}

void append(Breaches& to, const Breaches& more) { to.insert(to.end(), more.begin(), more.end()); }

void compare(Breaches& breaches, std::string_view what, const Lines& wanted, const Lines& got) {
    const auto [w, g] = std::mismatch(wanted.begin(), wanted.end(), got.begin(), got.end());
    if (w == wanted.end() && g == got.end()) return;
    breaches.push_back(fmt::format("{}: line {} of {} is \"{}\", not \"{}\" of {}", what,
                                   g - got.begin(), got.size(), g == got.end() ? "absent" : *g,
                                   w == wanted.end() ? "absent" : *w, wanted.size()));
}

void expect_ok(Breaches& breaches, std::string_view what, const Status& status) {
    if (!status) breaches.push_back(fmt::format("{}: {}", what, status.error().message));
}

Lines delivered_by(Scenario& scenario) {
    return scenario.subject.delivered ? scenario.subject.delivered(scenario.stage) : Lines{};
}

Outcome undisturbed(const Subject& subject, Breaches& breaches) {
    Scenario scenario(subject);
    Session session(scenario);
    expect_ok(breaches, "undisturbed run", run_all(session));
    session.close();
    append(breaches, session.breaches());
    return {.said = session.pilot().said(), .delivered = delivered_by(scenario)};
}

// ------------------------------------------------------------------------------- the clauses

Breaches gives_all_memory_back(const Subject& subject) {
    Breaches breaches;
    for (const std::size_t quarters : {0, 2, 4}) {
        Scenario scenario(subject);
        Session session(scenario);
        expect_ok(breaches, "open", session.open());
        expect_ok(breaches, "run", session.run_to(session.parts() * quarters / 4));
        if (quarters == 4) expect_ok(breaches, "end", session.end());
        session.close();
        append(breaches, session.breaches());
        check_empty_slot(breaches, fmt::format("closed after {} of 4 quarters", quarters),
                         scenario.stage);
    }
    return breaches;
}

Breaches is_deterministic(const Subject& subject) {
    Breaches breaches;
    const Outcome first = undisturbed(subject, breaches);
    const Outcome second = undisturbed(subject, breaches);
    compare(breaches, "second run, rows", first.said.main, second.said.main);
    compare(breaches, "second run, second output", first.said.side, second.said.side);
    compare(breaches, "second run, rejected", first.said.rejected, second.said.rejected);
    compare(breaches, "second run, delivered", first.delivered, second.delivered);
    if (first.said.main.empty() && first.delivered.empty())
        breaches.emplace_back("nothing came out: the subject shows nothing");
    if (subject.rows != 0 && first.said.rows != subject.rows)
        breaches.push_back(fmt::format("emitted {} rows of {}", first.said.rows, subject.rows));
    return breaches;
}

Breaches refuses_when_memory_is_short(const Subject& subject) {
    Breaches breaches;
    const std::size_t page = Scenario(subject).stage.slot().page_bytes();
    for (std::size_t pages = 0; pages <= 32; pages = pages == 0 ? 1 : pages * 2) {
        Scenario scenario(subject);
        Session session(scenario);
        if (!session.pilot().is_source()) (void)scenario.stage.input();
        scenario.stage.limit_slot(pages * page);
        const Status ran = run_all(session);
        session.close();
        append(breaches, session.breaches());
        const std::string when = fmt::format("with {} pages", pages);
        if (!ran && ran.error().code != Code::kResourceExhausted)
            breaches.push_back(fmt::format("{}: failed with {}: {}", when,
                                           to_string(ran.error().code), ran.error().message));
        check_empty_slot(breaches, when, scenario.stage);
        if (ran) break;
    }
    return breaches;
}

Breaches takes_the_scratch_it_declares(const Subject& subject) {
    Breaches breaches;
    Scenario scenario(subject);
    Session session(scenario);
    expect_ok(breaches, "run", run_all(session));
    session.close();
    append(breaches, session.breaches());
    const std::size_t declared = scenario.stage.scratch_declared();
    const std::size_t taken = scenario.stage.scratch_peak();
    if (taken != declared)
        breaches.push_back(fmt::format("took {} bytes of scratch, declared {}", taken, declared));
    return breaches;
}

Breaches refuses_mistakes(const Subject& subject) {
    Breaches breaches;
    Scenario scenario(subject);
    expect_ok(breaches, "the job without mistakes", make_of(subject, scenario, subject.job));
    for (const Mistake& mistake : subject.mistakes) {
        const Status made = make_of(subject, scenario, replaced(subject.job, mistake));
        if (made) {
            breaches.push_back(fmt::format("took \"{}\"", mistake.to));
        } else if (made.error().message.find(mistake.says) == std::string::npos) {
            breaches.push_back(fmt::format("refused \"{}\" without saying \"{}\": {}", mistake.to,
                                           mistake.says, made.error().message));
        }
    }
    return breaches;
}

Breaches handles_watermarks(const Subject& subject) {
    Breaches breaches;
    const Outcome plain = undisturbed(subject, breaches);
    Scenario scenario(subject);
    Session session(scenario);
    expect_ok(breaches, "open", session.open());
    if (session.pilot().is_source()) return breaches;
    std::size_t rows_before = 0;
    Lines wanted;
    const auto pass = [&](const data::Watermark& watermark) {
        wanted = session.pilot().said().main;
        expect_ok(breaches, "on_watermark", session.pilot().watermark(watermark));
        if (!is_sink(subject)) wanted.push_back(text_of(watermark));
        compare(breaches, "after a watermark", wanted, session.pilot().said().main);
    };
    pass({.event_time_ms = data::kNoEventTime, .is_idle = true});
    for (std::size_t part = 1; part <= session.parts(); ++part) {
        expect_ok(breaches, "process", session.run_to(part));
        rows_before = session.pilot().said().rows;
        const auto time = static_cast<std::int64_t>(part * 1000);
        pass({.event_time_ms = time, .is_idle = false});
        pass({.event_time_ms = time, .is_idle = true});
        pass({.event_time_ms = time, .is_idle = false});
    }
    expect_ok(breaches, "end", session.end());
    session.close();
    append(breaches, session.breaches());
    if (rows_before > plain.said.rows) breaches.emplace_back("watermarks made rows");
    compare(breaches, "with watermarks, delivered", plain.delivered, delivered_by(scenario));
    return breaches;
}

Breaches takes_several_inputs(const Subject& subject) {
    constexpr std::uint32_t kInputs = 3;
    Breaches breaches;
    Outcome whole = undisturbed(subject, breaches);
    Scenario scenario(subject);
    Session session(scenario, Pilot::kPatience, kInputs);
    expect_ok(breaches, "open", session.open());
    if (session.pilot().is_source()) return breaches;
    expect_ok(breaches, "run", session.run_all_inputs());
    session.close();
    append(breaches, session.breaches());
    // An operator that leaves inputs alone for a while gets their rows later.
    const auto sorted = [](Lines lines) {
        std::ranges::sort(lines);
        return lines;
    };
    compare(breaches, "over several inputs, rows", sorted(whole.said.main),
            sorted(session.pilot().said().main));
    compare(breaches, "over several inputs, rejected", sorted(whole.said.rejected),
            sorted(session.pilot().said().rejected));
    compare(breaches, "over several inputs, delivered", sorted(whole.delivered),
            sorted(delivered_by(scenario)));
    return breaches;
}

Breaches ends_once(const Subject& subject) {
    Breaches breaches;
    Scenario scenario(subject);
    Session session(scenario);
    expect_ok(breaches, "open", session.open());
    // Steps end with no input at all; a source that ends does so at the end of its rows.
    if (session.pilot().is_source()) {
        expect_ok(breaches, "poll", session.run_to(session.parts()));
        expect_ok(breaches, "end", session.end());
    } else {
        expect_ok(breaches, "end", session.end());
        if (!session.pilot().said().main.empty())
            breaches.emplace_back("on_end: made rows without input");
    }
    session.close();
    append(breaches, session.breaches());
    check_empty_slot(breaches, "closed after the end", scenario.stage);
    return breaches;
}

Breaches waits_for_the_outside(const Subject& subject) {
    Breaches breaches;
    if (!subject.stall) return breaches;
    constexpr std::size_t kBatchesMax = 400;
    Scenario scenario(subject);
    Session session(scenario);
    const std::vector<data::BatchPtr>& input = scenario.stage.input();
    expect_ok(breaches, "open", session.open());
    expect_ok(breaches, "process", session.run_to(1));
    subject.stall(scenario.stage);
    session.pilot().set_patience(kShortPatience);
    bool is_blocked = false;
    std::size_t given = 1;
    while (!is_blocked && given < kBatchesMax) {
        const auto taken = session.pilot().give(input[given++ % input.size()]);
        if (!taken) breaches.push_back("stalled: " + taken.error().message);
        is_blocked = !taken.value_or(false);
    }
    if (!is_blocked) breaches.push_back(fmt::format("took {} batches while stalled", given));
    const std::size_t held = scenario.stage.slot().bytes_in_use();
    session.pilot().set_patience(Pilot::kPatience);
    session.pilot().while_waiting([&] {
        if (scenario.stage.slot().bytes_in_use() > held)
            breaches.emplace_back("took memory while it was blocked");
        subject.release(scenario.stage);
    });
    const auto taken = session.pilot().give(input[(given - 1) % input.size()]);
    if (!taken.value_or(false)) breaches.emplace_back("did not go on when the outside did");
    expect_ok(breaches, "end", session.end());
    session.close();
    append(breaches, session.breaches());
    check_empty_slot(breaches, "after it was blocked", scenario.stage);
    std::size_t rows = 0;
    for (std::size_t i = 0; i < given; ++i) rows += input[i % input.size()]->rows();
    const std::size_t counted = subject.rows_delivered(scenario.stage);
    if (counted != rows) breaches.push_back(fmt::format("delivered {} rows of {}", counted, rows));
    return breaches;
}

}  // namespace millrace::contract
