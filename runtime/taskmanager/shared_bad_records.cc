#include "runtime/taskmanager/shared_bad_records.h"

#include <fmt/core.h>

#include "runtime/base/check.h"
#include "runtime/base/log.h"

namespace millrace::taskmanager {
namespace {

// Without a full stop: the text around it goes on.
std::string text_of(const operators::Rejection& rejection) {
    std::string_view message = rejection.message;
    if (message.ends_with('.')) message.remove_suffix(1);
    return fmt::format("record {} of {} (the first is 0): {}{}{}", rejection.position.ordinal,
                       rejection.split, rejection.field, rejection.field.empty() ? "" : ": ",
                       message);
}

}  // namespace

void SharedBadRecords::on_records_read(std::uint64_t records, TimePoint now) {
    const MutexLock lock(mutex_);
    share_.add(records, 0, now);
}

Status SharedBadRecords::on_bad_record(std::string_view step, const operators::Rejection& rejection,
                                       TimePoint now) {
    const MutexLock lock(mutex_);
    share_.add(0, 1, now);
    ++total_;
    note_first(step, rejection);
    const bool is_enough = stop_if_over_ == 0 || share_.all(now) >= kRecordsMin;
    const double share = share_.share(now);
    if (!is_enough || share <= stop_if_over_) return {};
    return fail(Code::kInvalidArgument,
                "{}: {} of the last minute's {} records are bad ({:.2f} %), more than stop_if_over "
                "allows ({:g} %); "
                "the last one is {}. Hint: correct the data, or raise "
                "runtime.on_bad_record.stop_if_over",
                step, share_.bad(now), share_.all(now), share * 100, stop_if_over_ * 100,
                text_of(rejection));
}

void SharedBadRecords::note_first(std::string_view step, const operators::Rejection& rejection) {
    const auto source = sources_.find(step);
    if (source != sources_.end() && source->second.first_bad.empty())
        source->second.first_bad = text_of(rejection);
    if (total_ > 1) return;
    log::warn(
        "job {}: {}: a bad record, the first of this attempt: {}. Sinks with `from: errors` "
        "take them all",
        job_, step, text_of(rejection));
}

void SharedBadRecords::add_source(std::string_view step) {
    const MutexLock lock(mutex_);
    ++sources_[std::string(step)].running;
}

Status SharedBadRecords::on_source_end(std::string_view step, std::uint64_t good,
                                       std::uint64_t bad) {
    const MutexLock lock(mutex_);
    const auto found = sources_.find(step);
    MILLRACE_CHECK(found != sources_.end() && found->second.running > 0);
    SourceCounts& source = found->second;
    source.good += good;
    source.bad += bad;
    if (--source.running > 0 || source.bad == 0) return {};
    const std::uint64_t all = source.good + source.bad;
    const double share = static_cast<double>(source.bad) / static_cast<double>(all);
    if (share <= stop_if_over_) return {};
    return fail(Code::kInvalidArgument,
                "{}: {} of the {} records that it read are bad ({:.2f} %), more than stop_if_over "
                "allows ({:g} %); the first one is {}. Hint: correct its `format`, `header` or "
                "`schema`, or the data, or raise runtime.on_bad_record.stop_if_over",
                step, source.bad, all, share * 100, stop_if_over_ * 100, source.first_bad);
}

std::uint64_t SharedBadRecords::total() const {
    const MutexLock lock(mutex_);
    return total_;
}

}  // namespace millrace::taskmanager
