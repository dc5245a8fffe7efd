#include "runtime/task/bad_records.h"

#include <algorithm>
#include <utility>

#include "operators/error_stream.h"
#include "runtime/base/check.h"

namespace millrace::task {

namespace {

std::int64_t second_of(TimePoint now) {
    return std::chrono::floor<std::chrono::seconds>(now.time_since_epoch()).count();
}

}  // namespace

void BadRecordShare::add(std::uint64_t good, std::uint64_t bad, TimePoint now) {
    const std::int64_t number = second_of(now);
    Second& second = seconds_[static_cast<std::size_t>(number) % kSeconds];
    if (second.number != number) second = {.number = number};
    second.good += good;
    second.bad += bad;
}

BadRecordShare::Second BadRecordShare::sum(TimePoint now) const {
    const std::int64_t number = second_of(now);
    Second sum;
    for (const Second& second : seconds_) {
        if (second.number < 0 || second.number + static_cast<std::int64_t>(kSeconds) <= number) {
            continue;
        }
        sum.good += second.good;
        sum.bad += second.bad;
    }
    return sum;
}

double BadRecordShare::share(TimePoint now) const {
    const Second sum = this->sum(now);
    if (sum.bad == 0) return 0;
    return static_cast<double>(sum.bad) / static_cast<double>(sum.good + sum.bad);
}

std::uint64_t BadRecordShare::bad(TimePoint now) const { return sum(now).bad; }

std::uint64_t BadRecordShare::all(TimePoint now) const {
    const Second sum = this->sum(now);
    return sum.good + sum.bad;
}

ErrorRows::ErrorRows(std::vector<std::unique_ptr<OutputEdge>> edges, data::BatchMemory& memory)
    : edges_(std::move(edges)), builder_(operators::errors_schema(), memory) {
    MILLRACE_CHECK(!edges_.empty());
}

Status ErrorRows::append(std::string_view step, const operators::Rejection& rejection,
                         TimePoint now) {
    using operators::ErrorColumn;
    MILLRACE_TRY(builder_.begin());
    const auto set = [&](ErrorColumn column, std::string_view text) -> Status {
        return builder_.set_text(static_cast<std::size_t>(column), text);
    };
    MILLRACE_TRY(set(ErrorColumn::kStep, step));
    MILLRACE_TRY(set(ErrorColumn::kCode, rejection.code));
    MILLRACE_TRY(set(ErrorColumn::kMessage, rejection.message));
    MILLRACE_TRY(set(ErrorColumn::kField, rejection.field));
    MILLRACE_TRY(set(ErrorColumn::kSplit, rejection.split));
    // A record without key or value has a view of nothing, one with empty ones a view of no bytes.
    if (rejection.key.data() != nullptr) MILLRACE_TRY(set(ErrorColumn::kKey, rejection.key));
    if (rejection.payload.data() != nullptr)
        MILLRACE_TRY(set(ErrorColumn::kPayload, rejection.payload));
    MILLRACE_TRY(append_headers(rejection.headers));
    builder_.end_row(rejection.position);
    if (oldest_ == TimePoint::max()) oldest_ = now;
    return builder_.is_full() ? flush(now) : Status{};
}

Status ErrorRows::append_headers(std::span<const operators::RecordHeader> headers) {
    using operators::ErrorColumn;
    constexpr auto kNames = static_cast<std::size_t>(ErrorColumn::kHeaderNames);
    constexpr auto kValues = static_cast<std::size_t>(ErrorColumn::kHeaderValues);
    constexpr auto kNulls = static_cast<std::size_t>(ErrorColumn::kHeaderNulls);
    if (headers.empty()) return {};
    builder_.begin_list(kNames);
    builder_.begin_list(kValues);
    builder_.begin_list(kNulls);
    for (std::size_t i = 0; i < headers.size(); ++i) {
        MILLRACE_TRY(builder_.append_element(kNames, headers[i].name));
        MILLRACE_TRY(builder_.append_element(kValues, headers[i].value));
        if (headers[i].value.data() != nullptr) continue;
        MILLRACE_TRY(builder_.append_element(kNulls, static_cast<std::int64_t>(i)));
    }
    return {};
}

Status ErrorRows::flush(TimePoint now) {
    if (builder_.rows() == 0) return {};
    oldest_ = TimePoint::max();
    const data::BatchPtr batch = builder_.finish();
    for (const auto& edge : edges_) MILLRACE_TRY(edge->place(batch, now));
    return {};
}

Status ErrorRows::place_control(const data::Element& control, TimePoint now) {
    MILLRACE_TRY(flush(now));
    for (const auto& edge : edges_) MILLRACE_TRY(edge->place_control(control, now));
    return {};
}

Status ErrorRows::advance(TimePoint now) {
    for (const auto& edge : edges_) MILLRACE_TRY(edge->advance(now));
    if (now < next_tick() || !has_room()) return {};
    return flush(now);
}

bool ErrorRows::has_room() {
    return std::ranges::all_of(edges_, [](const auto& edge) { return edge->has_room(); });
}

bool ErrorRows::has_control_room() {
    if (builder_.rows() > 0) return has_room();
    return std::ranges::all_of(edges_, [](const auto& edge) { return edge->has_control_room(); });
}

TimePoint ErrorRows::next_tick() const {
    return oldest_ == TimePoint::max() ? oldest_ : oldest_ + kLinger;
}

Status BadRecords::reject(std::string_view step, const operators::Rejection& rejection,
                          TimePoint now) {
    MILLRACE_TRY(policy_.on_bad_record(step, rejection, now));
    return errors_ == nullptr ? Status{} : errors_->append(step, rejection, now);
}

}  // namespace millrace::task
