#include "operators/generate_source.h"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include "proto/job.pb.h"

namespace millrace::operators {
namespace {

// Columns of the click stream, in this order.
constexpr std::size_t kId = 0;
constexpr std::size_t kTs = 1;
constexpr std::size_t kFirstField = 2;
constexpr std::size_t kLabel = kFirstField + ml::SyntheticCtrStream::kFields;

constexpr std::string_view kSection = "next";
constexpr std::uint8_t kFormat = 1;

GenerateSource::Preset preset_of(proto::Preset preset) {
    return preset == proto::PRESET_SEQUENCE ? GenerateSource::Preset::kSequence
                                            : GenerateSource::Preset::kCtr;
}

const proto::GenerateSource& declared(const OperatorRequest& request) {
    return request.job.sources(request.declared).generate();
}

Result<OutputSchemas> schemas(const OperatorRequest& request) {
    MILLRACE_TRY_ASSIGN(auto schema,
                        GenerateSource::schema_of(preset_of(declared(request).preset())));
    return OutputSchemas{.main = std::move(schema)};
}

Result<std::unique_ptr<Operator>> make(const OperatorRequest& request, JobResources&) {
    const proto::GenerateSource& source = declared(request);
    GenerateSource::Options options{
        .preset = preset_of(source.preset()), .seed = source.seed(), .rate = source.rate()};
    if (source.has_limit_rows()) options.limit = source.limit_rows();
    return std::make_unique<GenerateSource>(options);
}

}  // namespace

OperatorSpec GenerateSource::spec() {
    return {.role = Role::kSource,
            .type = "generate",
            .doc = "Makes records from their number.",
            .schemas = schemas,
            .make = make};
}

Result<data::SchemaPtr> GenerateSource::schema_of(Preset preset) {
    if (preset == Preset::kSequence)
        return data::Schema::make({{"value", {.kind = data::Kind::kInt64}}});
    std::vector<data::Field> fields{{"impression_id", {.kind = data::Kind::kString}},
                                    {"ts", {.kind = data::Kind::kTimestampMs}}};
    for (std::uint32_t i = 0; i < ml::SyntheticCtrStream::kFields; ++i) {
        fields.push_back({"f" + std::to_string(i), {.kind = data::Kind::kInt32}});
    }
    fields.push_back({"label", {.kind = data::Kind::kInt32}});
    return data::Schema::make(std::move(fields));
}

GenerateSource::GenerateSource(const Options& options) : options_(options), stream_(options.seed) {}

Status GenerateSource::open(OperatorContext& context) {
    context_ = &context;
    MILLRACE_TRY_ASSIGN(auto schema, schema_of(options_.preset));
    builder_.emplace(std::move(schema), context.batches);
    return {};
}

Status GenerateSource::add_splits(std::span<const Split> splits) {
    for (const Split& split : splits) {
        split_ = split.index;
        next_ = std::max(next_, split.start_ordinal);
    }
    return {};
}

std::int64_t GenerateSource::allowed(TimePoint now) {
    std::int64_t count = data::kRowsMax;
    if (options_.limit) count = std::min(count, *options_.limit - next_);
    if (options_.rate <= 0) return count;
    if (!began_) {
        began_ = now;
        paced_from_ = next_;
    }
    const double seconds = std::chrono::duration<double>(now - *began_).count();
    const auto due = paced_from_ + static_cast<std::int64_t>(seconds * options_.rate) + 1;
    return std::min(count, due - next_);
}

Result<Progress> GenerateSource::poll(Output& output) {
    if (!split_) return Progress::kEnd;
    if (options_.limit && next_ >= *options_.limit) return Progress::kEnd;
    const TimePoint now = context_->clock.now();
    const std::int64_t count = allowed(now);
    due_ = TimePoint::max();
    if (count <= 0) {
        // A few milliseconds' records at a time: batches, and no timer for each record.
        due_ = now + std::chrono::milliseconds(2);
        return Progress::kDone;
    }
    if (stream_.position() < static_cast<std::uint64_t>(next_) && options_.preset == Preset::kCtr) {
        stream_.skip(static_cast<std::uint64_t>(next_) - stream_.position());
    }
    MILLRACE_TRY(builder_->begin());
    for (std::int64_t i = 0; i < count && !builder_->is_full(); ++i) {
        if (options_.preset == Preset::kCtr) {
            MILLRACE_TRY(write_click());
        } else {
            write_number();
        }
        builder_->end_row({.split = *split_, .ordinal = next_, .timestamp_ms = kFirstMs + next_});
        ++next_;
    }
    output.emit(builder_->finish());
    return Progress::kYield;
}

Status GenerateSource::write_click() {
    const ml::SyntheticCtrStream::Event event = stream_.next();
    char id[24];
    const char* end = fmt::format_to(id, "i{:08d}", next_);
    MILLRACE_TRY(builder_->set_text(kId, {id, static_cast<std::size_t>(end - id)}));
    builder_->set_int64(kTs, kFirstMs + next_);
    for (std::size_t i = 0; i < event.fields.size(); ++i) {
        builder_->set_int32(kFirstField + i, static_cast<std::int32_t>(event.fields[i]));
    }
    builder_->set_int32(kLabel, event.click ? 1 : 0);
    return {};
}

void GenerateSource::write_number() { builder_->set_int64(0, next_); }

// The timer's only purpose is that poll() is asked again.
Status GenerateSource::on_tick(Output&) {
    due_ = TimePoint::max();
    return {};
}

Result<Progress> GenerateSource::snapshot(std::uint64_t, state::SnapshotWriter& writer) {
    std::byte bytes[1 + sizeof(next_)];
    bytes[0] = std::byte{kFormat};
    std::memcpy(bytes + 1, &next_, sizeof(next_));
    MILLRACE_TRY(writer.write(kSection, bytes));
    return Progress::kDone;
}

Status GenerateSource::restore(state::SnapshotReader& reader) {
    MILLRACE_TRY_ASSIGN(const auto bytes, reader.read(kSection));
    if (bytes.size() != 1 + sizeof(next_) || bytes[0] != std::byte{kFormat}) {
        return fail(Code::kCorruption, "the state of a generate source has {} bytes", bytes.size());
    }
    std::memcpy(&next_, bytes.data() + 1, sizeof(next_));
    return {};
}

void GenerateSource::close() noexcept { builder_.reset(); }

}  // namespace millrace::operators
