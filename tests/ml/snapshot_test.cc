#include "ml/snapshot.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include <catch2/catch.hpp>

#include "ml/builtin_learners.h"
#include "ml/hash.h"
#include "runtime/base/random.h"
#include "tests/ml/model_fixture.h"
#include "tests/ml/snapshot_bytes.h"
#include "tests/ml/synthetic_rows.h"

namespace millrace::ml {
namespace {

constexpr unsigned kBits = 12;

struct Trained {
    explicit Trained(std::uint32_t rows, std::uint32_t scaled_columns = 0,
                     std::size_t order_runs = 64)
        : learner(Ftrl::create({.alpha = 0.2}).value()),
          model(kBits, ServingView::Lanes::kWeight, scaled_columns, order_runs),
          stream(3, 2000, kBits) {
        trained_scores(*learner, model.table, stream.rows().slice(0, rows));
    }
    [[nodiscard]] SnapshotSubject subject() const {
        return {.learner = *learner, .schema_hash = 42};
    }
    SnapshotBytes full() {
        SnapshotBytes bytes;
        REQUIRE(write_snapshot(model.table, subject(), SnapshotKind::kFull, {.chain = 9}, bytes));
        return bytes;
    }
    std::unique_ptr<Learner> learner;
    ModelFixture model;
    SyntheticRows stream;
};

bool same_cells(const Table& a, const Table& b) {
    return std::memcmp(a.cells().data(), b.cells().data(), a.cells().size_bytes()) == 0;
}

Code refusal(Trained& into, const SnapshotSubject& subject, SnapshotBytes& bytes,
             std::optional<SnapshotPlace> previous = std::nullopt) {
    const auto restored = restore_snapshot(into.model.table, subject, previous, bytes);
    REQUIRE_FALSE(restored);
    // Nothing of a refused snapshot may stay.
    const auto cells = into.model.table.cells();
    REQUIRE(std::ranges::all_of(cells, [](const Cell& cell) { return cell.w == 0; }));
    return restored.error().code;
}

TEST_CASE("a snapshot brings back counters, scaler, order log and version", "[ml][snapshot]") {
    Trained from(100, 2);
    from.model.table.publish(from.model.view);
    from.model.table.counts().skipped_label = 3;
    from.model.table.scalars() = {.steps = 5, .scale = 0.5, .label_low = -1, .label_high = 2};
    from.model.table.scaler().moments()[1] = {.count = 7, .mean = 1.5, .squares = 2.5};
    REQUIRE(from.model.table.order_log().append(4, 11));
    SnapshotBytes bytes = from.full();

    Trained into(50, 2);
    const auto place = restore_snapshot(into.model.table, into.subject(), std::nullopt, bytes);
    REQUIRE(place);
    CHECK(*place == SnapshotPlace{.chain = 9});
    CHECK(same_cells(from.model.table, into.model.table));
    CHECK(into.model.table.counts() == from.model.table.counts());
    CHECK(into.model.table.scalars() == from.model.table.scalars());
    CHECK(into.model.table.scaler().moments()[1] == from.model.table.scaler().moments()[1]);
    CHECK(into.model.table.order_log().runs()[0] == OrderRun{4, 11});
    CHECK(into.model.table.version() == 1);
    // The view of a restored model is filled by the next publication, which is a later version.
    REQUIRE(into.model.table.publish(into.model.view));
    CHECK(into.model.view.version() == 2);
    CHECK(into.model.view.weight(kBiasSlot) == from.model.table.cells()[kBiasSlot].w);
}

TEST_CASE("a delta holds the lines that changed and completes its chain", "[ml][snapshot]") {
    Trained from(1500);
    SnapshotBytes full = from.full();
    RowList row;
    row.add({{5, 1}, {900, 1}}, 1);
    trained_scores(*from.learner, from.model.table, row.rows());
    SnapshotBytes delta;
    REQUIRE(write_snapshot(from.model.table, from.subject(), SnapshotKind::kDelta,
                           {.chain = 9, .sequence = 1}, delta));
    CHECK(delta.bytes().size() < 144 + 2 * (8 + 64) + 8 + 4 + 1);

    Trained into(0);
    const auto base = restore_snapshot(into.model.table, into.subject(), std::nullopt, full);
    REQUIRE(base);
    const auto last = restore_snapshot(into.model.table, into.subject(), *base, delta);
    REQUIRE(last);
    CHECK(last->sequence == 1);
    CHECK(same_cells(from.model.table, into.model.table));
}

TEST_CASE("a delta that does not follow is refused", "[ml][snapshot]") {
    Trained from(100);
    static_cast<void>(from.full());
    SnapshotBytes delta;
    REQUIRE(write_snapshot(from.model.table, from.subject(), SnapshotKind::kDelta,
                           {.chain = 9, .sequence = 2}, delta));
    Trained into(0);
    CHECK(refusal(into, into.subject(), delta) == Code::kInvalidArgument);
    delta.rewind();
    CHECK(refusal(into, into.subject(), delta, SnapshotPlace{.chain = 9, .sequence = 0}) ==
          Code::kInvalidArgument);
    delta.rewind();
    CHECK(refusal(into, into.subject(), delta, SnapshotPlace{.chain = 8, .sequence = 1}) ==
          Code::kInvalidArgument);
}

TEST_CASE("after a write that failed the next delta holds the lines again", "[ml][snapshot]") {
    Trained from(100);
    SnapshotBytes full = from.full();
    trained_scores(*from.learner, from.model.table, from.stream.rows().slice(100, 50));
    SnapshotBytes broken;
    broken.limit(1000);
    REQUIRE_FALSE(write_snapshot(from.model.table, from.subject(), SnapshotKind::kDelta,
                                 {.chain = 9, .sequence = 1}, broken));
    SnapshotBytes delta;
    REQUIRE(write_snapshot(from.model.table, from.subject(), SnapshotKind::kDelta,
                           {.chain = 9, .sequence = 1}, delta));
    Trained into(0);
    const auto base = restore_snapshot(into.model.table, into.subject(), std::nullopt, full);
    REQUIRE(restore_snapshot(into.model.table, into.subject(), *base, delta));
    CHECK(same_cells(from.model.table, into.model.table));
}

// Says in the header that another learner wrote it.
void set_identity(SnapshotBytes& snapshot, const Learner& writer, std::uint64_t identity) {
    const std::uint64_t written = writer.identity_hash();
    const auto at = std::ranges::search(snapshot.bytes(), std::as_bytes(std::span(&written, 1)));
    REQUIRE_FALSE(at.empty());
    std::ranges::copy(std::as_bytes(std::span(&identity, 1)), at.begin());
}

TEST_CASE("a snapshot of another learner, schema or size is refused", "[ml][snapshot]") {
    Trained from(100);
    SnapshotBytes bytes = from.full();
    Trained into(10);
    SECTION("learner") {
        const auto other = AdaGrad::create({}).value();
        CHECK(refusal(into, {.learner = *other, .schema_hash = 42}, bytes) ==
              Code::kInvalidArgument);
    }
    SECTION("loss") {
        const auto other = Ftrl::create({.loss = Loss::kSquared}).value();
        CHECK(refusal(into, {.learner = *other, .schema_hash = 42}, bytes) ==
              Code::kInvalidArgument);
    }
    SECTION("what stands in a cell") {
        // FTRL's cells before sqrt(n) stood in them.
        const auto loss = static_cast<std::uint64_t>(Loss::kLogistic);
        set_identity(bytes, *from.learner, hash_bytes("ftrl 1", loss << 1));
        CHECK(refusal(into, into.subject(), bytes) == Code::kInvalidArgument);
    }
    SECTION("schema") {
        CHECK(refusal(into, {.learner = *into.learner, .schema_hash = 43}, bytes) ==
              Code::kInvalidArgument);
    }
    SECTION("bits") {
        ModelFixture larger(kBits + 1);
        const auto restored = restore_snapshot(larger.table, into.subject(), std::nullopt, bytes);
        REQUIRE_FALSE(restored);
        CHECK(restored.error().code == Code::kInvalidArgument);
    }
    SECTION("scaled columns") {
        ModelFixture scaled(kBits, ServingView::Lanes::kWeight, 3);
        const auto restored = restore_snapshot(scaled.table, into.subject(), std::nullopt, bytes);
        REQUIRE_FALSE(restored);
        CHECK(restored.error().code == Code::kInvalidArgument);
    }
}

TEST_CASE("a snapshot cut anywhere is refused", "[ml][snapshot]") {
    Trained from(20);
    const SnapshotBytes whole = from.full();
    SnapshotBytes copy = whole;
    const std::size_t size = copy.bytes().size();
    Trained into(0);
    for (std::size_t cut = 0; cut < size; cut += cut < 200 ? 1 : 97) {
        copy = whole;
        copy.bytes().resize(cut);
        REQUIRE(refusal(into, into.subject(), copy) == Code::kCorruption);
    }
}

TEST_CASE("a snapshot with any flipped bit is refused", "[ml][snapshot]") {
    Trained from(20);
    const SnapshotBytes whole = from.full();
    SnapshotBytes copy = whole;
    const std::size_t size = copy.bytes().size();
    Trained into(0);
    for (std::size_t at = 0; at < size; at += at < 200 ? 1 : 53) {
        CAPTURE(at);
        copy = whole;
        copy.bytes()[at] ^= std::byte{0x10};
        const Code code = refusal(into, into.subject(), copy);
        REQUIRE((code == Code::kCorruption || code == Code::kInvalidArgument ||
                 code == Code::kResourceExhausted));
    }
}

TEST_CASE("a snapshot with a NaN in a cell is refused", "[ml][snapshot]") {
    Trained from(20);
    from.model.table.cells()[kBiasSlot].state[0] = std::numeric_limits<float>::quiet_NaN();
    SnapshotBytes bytes = from.full();
    Trained into(0);
    CHECK(refusal(into, into.subject(), bytes) == Code::kCorruption);
}

TEST_CASE("a snapshot whose order log has no room is refused", "[ml][snapshot]") {
    Trained from(20);
    for (std::uint32_t i = 0; i < 5; ++i) REQUIRE(from.model.table.order_log().append(i, 1));
    SnapshotBytes bytes = from.full();
    Trained into(0, 0, 4);
    CHECK(refusal(into, into.subject(), bytes) == Code::kResourceExhausted);
}

TEST_CASE("a restore under another rate works its weights out anew", "[ml][snapshot]") {
    Trained from(500);
    SnapshotBytes bytes = from.full();
    const auto other = Ftrl::create({.alpha = 0.4, .l2 = 3}).value();
    ModelFixture into(kBits);
    REQUIRE(
        restore_snapshot(into.table, {.learner = *other, .schema_hash = 42}, std::nullopt, bytes));
    std::size_t checked = 0;
    for (std::size_t i = 1; i < into.table.cells().size(); ++i) {
        const Cell& cell = into.table.cells()[i];
        if (cell.state[1] == 0) continue;
        const double root_n = std::sqrt(static_cast<double>(cell.state[1]));
        const double w = -static_cast<double>(cell.state[0]) / ((1 + root_n) / 0.4 + 3);
        REQUIRE(cell.w == Approx(w).epsilon(1e-5));
        ++checked;
    }
    REQUIRE(checked > 100);
}

// The law behind the order log: a model is a pure function of its input and the log.
TEST_CASE("a model rebuilt from its order log has the same bytes", "[ml][snapshot]") {
    const SyntheticRows first(1, 700, kBits);
    const SyntheticRows second(2, 500, kBits);
    const std::vector<const SyntheticRows*> splits{&first, &second};
    const auto learner = Ftrl::create({.alpha = 0.2}).value();
    ModelFixture live(kBits);
    std::vector<std::uint32_t> at(2, 0);
    Random random(17);
    while (at[0] < 700 || at[1] < 500) {
        const auto split = static_cast<std::uint32_t>(random.below(2));
        const SparseRows rows = splits[split]->rows();
        const auto count =
            std::min(static_cast<std::uint32_t>(1 + random.below(60)), rows.row_count - at[split]);
        if (count == 0) continue;
        trained_scores(*learner, live.table, rows.slice(at[split], count));
        REQUIRE(live.table.order_log().append(split, count));
        at[split] += count;
    }
    ModelFixture rebuilt(kBits);
    at = {0, 0};
    for (const OrderRun& run : live.table.order_log().runs()) {
        trained_scores(*learner, rebuilt.table,
                       splits[run.split]->rows().slice(at[run.split], run.count));
        at[run.split] += run.count;
    }
    REQUIRE(same_cells(live.table, rebuilt.table));
}

}  // namespace
}  // namespace millrace::ml
