#include "runtime/taskmanager/shared_bad_records.h"

namespace millrace::taskmanager {

void SharedBadRecords::on_records_read(std::uint64_t records, TimePoint now) {
    const MutexLock lock(mutex_);
    share_.add(records, 0, now);
}

Status SharedBadRecords::on_bad_record(std::string_view step, const operators::Rejection& rejection,
                                       TimePoint now) {
    const MutexLock lock(mutex_);
    share_.add(0, 1, now);
    ++total_;
    const bool is_enough = stop_if_over_ == 0 || share_.all(now) >= kRecordsMin;
    const double share = share_.share(now);
    if (!is_enough || share <= stop_if_over_) return {};
    return fail(Code::kInvalidArgument,
                "{}: {} of the last minute's {} records are bad ({:.2f} %), more than stop_if_over "
                "allows ({:g} %); "
                "the last one, at {} {}: {}. Hint: correct the data, or raise "
                "runtime.on_bad_record.stop_if_over",
                step, share_.bad(now), share_.all(now), share * 100, stop_if_over_ * 100,
                rejection.split, rejection.position.ordinal, rejection.message);
}

std::uint64_t SharedBadRecords::total() const {
    const MutexLock lock(mutex_);
    return total_;
}

}  // namespace millrace::taskmanager
