#include "operators/generate_source.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <string>
#include <vector>

#include "ml/synthetic_ctr.h"
#include "proto/job.pb.h"
#include "runtime/base/check.h"

namespace millrace::operators {
namespace {

const proto::GenerateSource& declared(const OperatorRequest& request) {
    return request.job.sources(request.declared).generate();
}

GenerateSource::Preset preset_of(const proto::GenerateSource& source) {
    return source.preset() == proto::PRESET_SEQUENCE ? GenerateSource::Preset::kSequence
                                                     : GenerateSource::Preset::kCtr;
}

// "i" and at least eight digits.
class ImpressionId {
  public:
    explicit ImpressionId(std::int64_t number) {
        std::array<char, 20> digits;
        const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
        const auto count = static_cast<std::size_t>(end - digits.data());
        constexpr std::size_t kDigitsMin = 8;
        char* at = text_.data();
        *at++ = 'i';
        if (count < kDigitsMin) at = std::fill_n(at, kDigitsMin - count, '0');
        at = std::copy_n(digits.data(), count, at);
        size_ = static_cast<std::size_t>(at - text_.data());
    }
    [[nodiscard]] std::string_view text() const { return {text_.data(), size_}; }

  private:
    std::array<char, 24> text_;
    std::size_t size_;
};

}  // namespace

class GenerateSource::Maker {
  public:
    virtual ~Maker() = default;
    // Leaves out events up to `number`, at most kSkipEvents a call. True when it is there.
    virtual bool skip_to(std::int64_t number) = 0;
    // Event numbers rise from call to call. Makes `count` rows from `first` on.
    virtual Status make(data::BatchBuilder& into, std::int32_t split, std::int64_t first,
                        std::size_t count) = 0;
};

class GenerateSource::CtrMaker final : public Maker {
  public:
    explicit CtrMaker(std::uint64_t seed) : stream_(seed) {}

    bool skip_to(std::int64_t number) override {
        constexpr std::uint64_t kSkipEvents = 10'000;  // About a millisecond.
        const std::uint64_t left = static_cast<std::uint64_t>(number) - stream_.position();
        stream_.skip(std::min(left, kSkipEvents));
        return left <= kSkipEvents;
    }

    Status make(data::BatchBuilder& into, std::int32_t split, std::int64_t first,
                std::size_t count) override {
        constexpr std::size_t kFirstField = 2;
        constexpr std::size_t kLabel = kFirstField + ml::SyntheticCtrStream::kFields;
        for (std::size_t row = 0; row < count; ++row) {
            const std::int64_t number = first + static_cast<std::int64_t>(row);
            const auto event = stream_.next();
            MILLRACE_TRY(into.set_text(0, ImpressionId(number).text()));
            into.set_int64(1, kFirstMs + number);
            for (std::size_t field = 0; field < event.fields.size(); ++field)
                into.set_int32(kFirstField + field, static_cast<std::int32_t>(event.fields[field]));
            into.set_int32(kLabel, event.click ? 1 : 0);
            into.end_row({.split = split, .ordinal = number, .timestamp_ms = kFirstMs + number});
        }
        return {};
    }

  private:
    ml::SyntheticCtrStream stream_;
};

class GenerateSource::SequenceMaker final : public Maker {
  public:
    bool skip_to(std::int64_t) override { return true; }
    Status make(data::BatchBuilder& into, std::int32_t split, std::int64_t first,
                std::size_t count) override {
        for (std::size_t row = 0; row < count; ++row) {
            const std::int64_t number = first + static_cast<std::int64_t>(row);
            into.set_int64(0, number);
            into.end_row({.split = split, .ordinal = number, .timestamp_ms = kFirstMs + number});
        }
        return {};
    }
};

OperatorSpec GenerateSource::spec() {
    return {.role = Role::kSource,
            .type = "generate",
            .doc = "Makes records from their number.",
            .schemas = [](const OperatorRequest& request) -> Result<OutputSchemas> {
                return OutputSchemas{.main = schema_of(preset_of(declared(request)))};
            },
            .make = [](const OperatorRequest& request,
                       JobResources&) -> Result<std::unique_ptr<Operator>> {
                const proto::GenerateSource& source = declared(request);
                Options options{.preset = preset_of(source), .seed = source.seed()};
                if (source.has_rate()) options.rate = source.rate();
                if (source.has_limit_rows()) options.limit = source.limit_rows();
                return std::make_unique<GenerateSource>(options);
            }};
}

data::SchemaPtr GenerateSource::schema_of(Preset preset) {
    std::vector<data::Field> fields;
    if (preset == Preset::kSequence) {
        fields.push_back({"value", {.kind = data::Kind::kInt64}});
    } else {
        fields.push_back({"impression_id", {.kind = data::Kind::kString}});
        fields.push_back({"ts", {.kind = data::Kind::kTimestampMs}});
        for (std::uint32_t i = 0; i < ml::SyntheticCtrStream::kFields; ++i)
            fields.push_back({"f" + std::to_string(i), {.kind = data::Kind::kInt32}});
        fields.push_back({"label", {.kind = data::Kind::kInt32}});
    }
    auto schema = data::Schema::make(std::move(fields));
    MILLRACE_CHECK(schema.has_value());
    return *std::move(schema);
}

GenerateSource::GenerateSource(Options options) : options_(options) {}
GenerateSource::~GenerateSource() = default;

Status GenerateSource::open(OperatorContext& context) {
    context_ = &context;
    builder_.emplace(schema_of(options_.preset), context.batches);
    if (options_.preset == Preset::kCtr)
        maker_ = std::make_unique<CtrMaker>(options_.seed);
    else
        maker_ = std::make_unique<SequenceMaker>();
    return {};
}

Status GenerateSource::restore(state::SnapshotReader& reader) {
    MILLRACE_TRY_ASSIGN(const auto positions, read_positions(reader));
    if (!positions.empty()) next_event_ = positions.front().next_ordinal;
    return {};
}

Status GenerateSource::add_splits(std::span<const Split> splits) {
    if (splits.empty()) return {};
    MILLRACE_CHECK(!split_ && splits.size() == 1);
    split_ = splits.front();
    next_event_ = std::max(next_event_, split_->start_ordinal);
    return {};
}

std::size_t GenerateSource::due_events() {
    std::int64_t events = static_cast<std::int64_t>(builder_->row_capacity());
    if (options_.limit) {
        events = std::min(events, *options_.limit - next_event_);
    }
    if (!options_.rate) return static_cast<std::size_t>(events);
    const double rate = *options_.rate;
    const TimePoint now = context_->clock.now();
    if (!paced_from_) paced_from_ = now;
    // After a longer pause, catch up no more than kCatchUp of it.
    const double elapsed = std::chrono::duration<double>(now - *paced_from_).count();
    const double behind = elapsed * rate - paced_;
    const double most = std::chrono::duration<double>(kCatchUp).count() * rate;
    if (behind > most) paced_ = elapsed * rate - std::max(most, 1.0);
    const double due = std::floor(elapsed * rate - paced_ + 1e-9);
    return static_cast<std::size_t>(std::clamp(due, 0.0, static_cast<double>(events)));
}

void GenerateSource::plan_next_tick() {
    if (!options_.rate) return;
    const double rate = *options_.rate;
    const auto next =
        std::chrono::duration_cast<Duration>(std::chrono::duration<double>((paced_ + 1) / rate));
    tick_at_ = std::max(*paced_from_ + next, context_->clock.now() + options_.linger);
}

Result<Progress> GenerateSource::poll(Output& output) {
    tick_at_ = TimePoint::max();
    if (!split_ || (options_.limit && next_event_ >= *options_.limit)) return Progress::kEnd;
    if (!maker_->skip_to(next_event_)) return Progress::kYield;
    const std::size_t count = due_events();
    if (count == 0) {
        plan_next_tick();
        return Progress::kDone;
    }
    MILLRACE_TRY(builder_->begin());
    MILLRACE_TRY(maker_->make(*builder_, split_->index, next_event_, count));
    next_event_ += static_cast<std::int64_t>(count);
    paced_ += static_cast<double>(count);
    output.emit(builder_->finish());
    return Progress::kYield;
}

Status GenerateSource::on_tick(Output&) {
    tick_at_ = TimePoint::max();
    context_->waker.wake();
    return {};
}

Result<Progress> GenerateSource::snapshot(std::uint64_t, state::SnapshotWriter& writer) {
    const SplitPosition position{.split = split_ ? split_->index : 0, .next_ordinal = next_event_};
    MILLRACE_TRY(write_positions(writer, std::span(&position, 1)));
    return Progress::kDone;
}

void GenerateSource::close() noexcept {
    builder_.reset();
    maker_.reset();
}

}  // namespace millrace::operators
