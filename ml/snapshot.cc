#include "ml/snapshot.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>

#include "runtime/base/check.h"
#include "runtime/base/crc32c.h"

namespace millrace::ml {
namespace {

static_assert(std::endian::native == std::endian::little, "the format is little endian");

constexpr std::array<char, 8> kMagic{'M', 'R', 'T', 'A', 'B', 'L', 'E', '1'};
constexpr std::uint32_t kEndMark = 0xffffffff;
constexpr std::size_t kLinesPerRun = 1024;

struct Header {
    std::array<char, 8> magic = kMagic;
    std::uint32_t format = kSnapshotFormat;
    SnapshotKind kind = SnapshotKind::kFull;
    std::uint32_t bits = 0;
    std::uint32_t scaled_columns = 0;
    std::uint32_t shard = 0;
    std::uint32_t shards = 1;
    std::uint64_t chain = 0;
    std::uint64_t sequence = 0;
    std::uint64_t identity = 0;
    std::uint64_t settings = 0;
    std::uint64_t schema = 0;
    std::uint64_t version = 0;
    std::uint64_t learned = 0;
    std::uint64_t skipped_features = 0;
    std::uint64_t skipped_label = 0;
    std::uint64_t skipped_weight = 0;
    std::uint64_t steps = 0;
    double scale = 1;
    float label_low = 0;
    float label_high = 0;
    std::uint64_t order_runs = 0;
};
static_assert(sizeof(Header) == 144, "no padding: its bytes are the format");
static_assert(sizeof(StandardScaler::Moments) == 24);

struct RunHead {
    std::uint32_t first_line = 0;
    std::uint32_t lines = 0;
};

// Passes bytes on and keeps their checksum.
class Writer {
  public:
    explicit Writer(SnapshotSink& sink) : sink_(sink) {}

    Status write(std::span<const std::byte> bytes) {
        crc_ = crc32c(bytes, crc_);
        return sink_.write(bytes);
    }
    template <class T>
    Status write_value(const T& value) {
        return write(std::as_bytes(std::span(&value, 1)));
    }
    Status finish() {
        const std::uint32_t crc = crc_;
        return sink_.write(std::as_bytes(std::span(&crc, 1)));
    }

  private:
    SnapshotSink& sink_;
    std::uint32_t crc_ = 0;
};

class Reader {
  public:
    explicit Reader(SnapshotSource& source) : source_(source) {}

    Status read(std::span<std::byte> bytes) {
        MILLRACE_TRY(source_.read(bytes));
        crc_ = crc32c(bytes, crc_);
        return {};
    }
    template <class T>
    Status read_value(T& value) {
        return read(std::as_writable_bytes(std::span(&value, 1)));
    }
    Status check_end() {
        const std::uint32_t expected = crc_;
        std::uint32_t crc = 0;
        MILLRACE_TRY(source_.read(std::as_writable_bytes(std::span(&crc, 1))));
        if (crc == expected) return {};
        return fail(Code::kCorruption, "snapshot has the wrong checksum: {:08x}, should be {:08x}",
                    crc, expected);
    }

  private:
    SnapshotSource& source_;
    std::uint32_t crc_ = 0;
};

Header header_of(const Table& table, const SnapshotSubject& subject, SnapshotKind kind,
                 SnapshotPlace place) {
    const ModelScalars& scalars = table.scalars();
    const RowCounts& counts = table.counts();
    return {.kind = kind,
            .bits = table.bits(),
            .scaled_columns = table.scaler().columns(),
            .shard = place.shard,
            .shards = place.shards,
            .chain = place.chain,
            .sequence = place.sequence,
            .identity = subject.learner.identity_hash(),
            .settings = subject.learner.settings_hash(),
            .schema = subject.schema_hash,
            .version = table.version(),
            .learned = counts.learned,
            .skipped_features = counts.skipped_features,
            .skipped_label = counts.skipped_label,
            .skipped_weight = counts.skipped_weight,
            .steps = scalars.steps,
            .scale = scalars.scale,
            .label_low = scalars.label_low,
            .label_high = scalars.label_high,
            .order_runs = table.order_log().runs().size()};
}

bool is_zero(const Cell* line) {
    constexpr std::array<std::byte, 64> kZeros{};
    return std::memcmp(line, kZeros.data(), kZeros.size()) == 0;
}

Status write_lines(Writer& writer, const Table& table, SnapshotKind kind) {
    const std::span<const Cell> cells = table.cells();
    const DirtyLines& dirty = table.dirty();
    const auto wanted = [&](std::size_t line) {
        return kind == SnapshotKind::kDelta ? dirty.is_unsaved(line)
                                            : !is_zero(&cells[line * kCellsPerLine]);
    };
    std::size_t line = 0;
    while (line < dirty.lines()) {
        std::size_t end = line;
        while (end < dirty.lines() && end - line < kLinesPerRun && wanted(end)) ++end;
        if (end > line) {
            const RunHead head{.first_line = static_cast<std::uint32_t>(line),
                               .lines = static_cast<std::uint32_t>(end - line)};
            MILLRACE_TRY(writer.write_value(head));
            MILLRACE_TRY(writer.write(
                std::as_bytes(cells.subspan(line * kCellsPerLine, (end - line) * kCellsPerLine))));
        }
        line = std::max(end, line + 1);
    }
    return writer.write_value(RunHead{.first_line = kEndMark, .lines = 0});
}

Status check_form(const Header& header) {
    if (header.magic != kMagic) return fail(Code::kCorruption, "not a snapshot of a model table");
    if (header.format != kSnapshotFormat) {
        return fail(Code::kCorruption, "snapshot has format {}, this program reads {}",
                    header.format, kSnapshotFormat);
    }
    if (!std::isfinite(header.scale) || !(header.scale > 0) || !std::isfinite(header.label_low) ||
        !std::isfinite(header.label_high)) {
        return fail(Code::kCorruption, "snapshot header has numbers that are not finite");
    }
    return {};
}

Status check_subject(const Header& header, const Table& table, const SnapshotSubject& subject) {
    if (header.identity != subject.learner.identity_hash()) {
        return fail(Code::kInvalidArgument, "snapshot is of another learner or loss than {}",
                    subject.learner.name());
    }
    if (header.schema != subject.schema_hash) {
        return fail(Code::kInvalidArgument,
                    "snapshot is of other features: schema hash {:016x}, this job has {:016x}",
                    header.schema, subject.schema_hash);
    }
    if (header.bits != table.bits() || header.scaled_columns != table.scaler().columns()) {
        return fail(Code::kInvalidArgument, "snapshot is of a table of 2^{} cells, this has 2^{}",
                    header.bits, table.bits());
    }
    return {};
}

Status check_place(const Header& header, const std::optional<SnapshotPlace>& previous) {
    const bool full = header.kind == SnapshotKind::kFull && header.sequence == 0;
    if (!previous) {
        if (full) return {};
        return fail(Code::kInvalidArgument,
                    "a chain begins with a full snapshot, this is number {}", header.sequence);
    }
    const bool follows = header.kind == SnapshotKind::kDelta && header.chain == previous->chain &&
                         header.sequence == previous->sequence + 1 &&
                         header.shard == previous->shard && header.shards == previous->shards;
    if (follows) return {};
    return fail(Code::kInvalidArgument,
                "snapshot does not follow number {} of chain {}: it is number {} of chain {}",
                previous->sequence, previous->chain, header.sequence, header.chain);
}

Status read_moments(Reader& reader, Table& table) {
    for (StandardScaler::Moments& moments : table.scaler().moments()) {
        MILLRACE_TRY(reader.read_value(moments));
        if (!std::isfinite(moments.mean) || !(moments.squares >= 0) ||
            !std::isfinite(moments.squares)) {
            return fail(Code::kCorruption, "snapshot has a scaler that is not finite");
        }
    }
    return {};
}

Status read_order_log(Reader& reader, Table& table, std::uint64_t runs) {
    if (runs > table.order_log().capacity()) {
        return fail(Code::kResourceExhausted,
                    "snapshot has an order log of {} runs, room is for {}", runs,
                    table.order_log().capacity());
    }
    table.order_log().clear();
    for (std::uint64_t i = 0; i < runs; ++i) {
        OrderRun run;
        MILLRACE_TRY(reader.read_value(run));
        MILLRACE_CHECK(table.order_log().append_run(run));
    }
    return {};
}

Status read_lines(Reader& reader, Table& table, const Learner& learner) {
    const std::span<Cell> cells = table.cells();
    std::size_t next_line = 0;
    while (true) {
        RunHead head;
        MILLRACE_TRY(reader.read_value(head));
        if (head.lines == 0 && head.first_line == kEndMark) return {};
        const std::size_t end = std::size_t{head.first_line} + head.lines;
        if (head.lines == 0 || head.first_line < next_line || end > table.dirty().lines()) {
            return fail(Code::kCorruption,
                        "snapshot has lines {} to {} where {} or more must follow", head.first_line,
                        end, next_line);
        }
        const std::span<Cell> run =
            cells.subspan(head.first_line * kCellsPerLine, head.lines * kCellsPerLine);
        MILLRACE_TRY(reader.read(std::as_writable_bytes(run)));
        if (!learner.cells_valid(run)) {
            return fail(Code::kCorruption,
                        "snapshot has values that are not finite, lines {} to {}", head.first_line,
                        end);
        }
        next_line = end;
    }
}

void set_counters(Table& table, const Header& header) {
    table.scalars() = {.steps = header.steps,
                       .scale = header.scale,
                       .label_low = header.label_low,
                       .label_high = header.label_high};
    table.counts() = {.learned = header.learned,
                      .skipped_features = header.skipped_features,
                      .skipped_label = header.skipped_label,
                      .skipped_weight = header.skipped_weight};
    table.set_version(header.version);
}

Result<SnapshotPlace> restore(Table& table, const SnapshotSubject& subject,
                              const std::optional<SnapshotPlace>& previous,
                              SnapshotSource& source) {
    Reader reader(source);
    Header header;
    MILLRACE_TRY(reader.read_value(header));
    MILLRACE_TRY(check_form(header));
    MILLRACE_TRY(check_subject(header, table, subject));
    MILLRACE_TRY(check_place(header, previous));
    if (!previous) table.clear();
    MILLRACE_TRY(read_moments(reader, table));
    MILLRACE_TRY(read_order_log(reader, table, header.order_runs));
    MILLRACE_TRY(read_lines(reader, table, subject.learner));
    MILLRACE_TRY(reader.check_end());
    set_counters(table, header);
    if (header.settings != subject.learner.settings_hash()) subject.learner.rederive(table);
    table.mark_all_dirty();
    return SnapshotPlace{.chain = header.chain,
                         .sequence = header.sequence,
                         .shard = header.shard,
                         .shards = header.shards};
}

}  // namespace

Status write_snapshot(Table& table, const SnapshotSubject& subject, SnapshotKind kind,
                      SnapshotPlace place, SnapshotSink& sink) {
    MILLRACE_CHECK_EQ(kind == SnapshotKind::kFull, place.sequence == 0);
    table.dirty().settle();
    Writer writer(sink);
    MILLRACE_TRY(writer.write_value(header_of(table, subject, kind, place)));
    MILLRACE_TRY(writer.write(std::as_bytes(table.scaler().moments())));
    MILLRACE_TRY(writer.write(std::as_bytes(table.order_log().runs())));
    MILLRACE_TRY(write_lines(writer, table, kind));
    MILLRACE_TRY(writer.finish());
    // Only now: after a failed write the next delta must hold these lines again.
    table.dirty().saved();
    return {};
}

Result<SnapshotPlace> restore_snapshot(Table& table, const SnapshotSubject& subject,
                                       std::optional<SnapshotPlace> previous,
                                       SnapshotSource& source) {
    Result<SnapshotPlace> place = restore(table, subject, previous, source);
    if (!place) table.clear();
    return place;
}

}  // namespace millrace::ml
