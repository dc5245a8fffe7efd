#include "runtime/process/first_record.h"

#include <numeric>

namespace millrace::process {
namespace {

Result<std::int64_t> end_of(operators::KafkaDirectory& directory, const std::string& topic) {
    MILLRACE_TRY_ASSIGN(const auto offsets,
                        directory.start_offsets(topic, {.at = operators::StartRule::At::kLatest}));
    return std::accumulate(offsets.begin(), offsets.end(), std::int64_t{0});
}

}  // namespace

FirstRecord::FirstRecord(operators::KafkaConnection connection, std::string topic,
                         const Clock& clock)
    : connection_(std::move(connection)),
      topic_(std::move(topic)),
      clock_(clock),
      thread_([this](const std::stop_token& stop) { watch(stop); }) {}

std::optional<TimePoint> FirstRecord::seen() const {
    const TimePoint::rep at = seen_.load();
    return at == 0 ? std::nullopt : std::optional(TimePoint(Duration(at)));
}

bool FirstRecord::pause(const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    return !bell_.wait_for(lock, stop, kAskEvery, [&] { return stop.stop_requested(); });
}

void FirstRecord::watch(const std::stop_token& stop) {
    const auto directory = operators::KafkaDirectory::open(connection_, "", clock_);
    if (!directory) return;
    std::optional<std::int64_t> before;
    do {
        const auto end = end_of(**directory, topic_);
        if (!end) continue;
        if (before && *end > *before) {
            seen_.store(clock_.now().time_since_epoch().count());
            return;
        }
        before = before ? before : *end;
    } while (pause(stop));
}

}  // namespace millrace::process
