#include "operators/kafka/cluster_health.h"

#include <utility>

#include "operators/kafka/kafka_errors.h"
#include "runtime/base/log.h"

namespace millrace::operators {
namespace {

bool is_about_topic(rd_kafka_resp_err_t code) {
    return code == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC ||
           code == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION ||
           code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART ||
           code == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
}

// "... refused (after 2ms in state CONNECT, 3 identical error(s) suppressed)": what is in
// parentheses changes with every attempt and client, the cause does not.
std::string_view without_history(std::string_view reason) {
    return reason.ends_with(')') ? reason.substr(0, reason.rfind(" (after ")) : reason;
}

// Lines of one kind: about a connection those of one cause, else those of one facility and thread,
// "[thrd:127.0.0.1:9092/1]: ...".
std::string key_of(std::string_view facility, std::string_view text) {
    const std::string_view cause = without_history(text);
    if (cause.size() < text.size()) return std::string(facility) + std::string(cause);
    const std::size_t end = text.find(']');
    return std::string(facility) +
           std::string(end == std::string_view::npos ? "" : text.substr(0, end));
}

}  // namespace

ClusterHealth::ClusterHealth(std::string cluster, std::string brokers, const Clock& clock)
    : cluster_(std::move(cluster)), brokers_(std::move(brokers)), clock_(clock) {}

void ClusterHealth::on_error(rd_kafka_resp_err_t code, std::string_view reason) {
    if (is_about_topic(code)) {
        topic_doubts_.fetch_add(1, std::memory_order_relaxed);
        return;
    }
    const MutexLock lock(mutex_);
    // The reason of the first failed connection says more than "all brokers are down" after it.
    if (code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN && trouble_) return;
    // Brokers close idle connections; if they stay away, the failing connect tells.
    if (reason.ends_with("in state UP)")) return;
    trouble_ =
        kafka_error(code, brokers_, fmt::format("Kafka cluster {} at {}", cluster_, brokers_),
                    without_history(reason));
}

void ClusterHealth::on_statistics(std::string_view json) {
    if (!all_brokers_up(json)) return;
    const MutexLock lock(mutex_);
    trouble_.reset();
}

void ClusterHealth::on_log(int level, std::string_view facility, std::string_view text) {
    constexpr int kSyslogWarning = 4;
    // Said of brokers as old as the embedded one, of properties that are for the other kind of
    // client of the same connection, and of what a cancelled job leaves unsent: nobody has to act.
    const bool harmless =
        facility == "AUTOCREATE" || facility == "CONFWARN" || facility == "TERMINATE";
    if (level > kSyslogWarning || harmless) {
        log::debug("kafka {}: {} {}", cluster_, facility, text);
        return;
    }
    if (may_log(key_of(facility, text))) log::warn("kafka {}: {} {}", cluster_, facility, text);
}

void ClusterHealth::on_fatal(std::string_view reason) {
    const MutexLock lock(mutex_);
    if (fatal_) return;
    fatal_ =
        Error{Code::kUnavailable,
              fmt::format("the client of Kafka cluster {} cannot go on: {}", cluster_, reason)};
}

std::string ClusterHealth::trouble() const {
    const MutexLock lock(mutex_);
    return trouble_ ? trouble_->message : std::string();
}

std::optional<Error> ClusterHealth::trouble_error() const {
    const MutexLock lock(mutex_);
    return trouble_;
}

std::optional<Error> ClusterHealth::fatal() const {
    const MutexLock lock(mutex_);
    return fatal_;
}

bool ClusterHealth::may_log(std::string_view key) {
    const TimePoint now = clock_.now();
    const MutexLock lock(mutex_);
    if (const auto known = logged_.find(key); known != logged_.end()) {
        if (now - known->second < kLogInterval) return false;
        known->second = now;
        return true;
    }
    if (logged_.size() >= kLogKeysMax) {
        std::erase_if(logged_,
                      [&](const auto& entry) { return now - entry.second >= kLogInterval; });
        if (logged_.size() >= kLogKeysMax) return false;
    }
    logged_.emplace(key, now);
    return true;
}

bool all_brokers_up(std::string_view statistics_json) {
    constexpr std::string_view kState = R"("state":")";
    const std::size_t begin = statistics_json.find(R"("brokers":)");
    if (begin == std::string_view::npos) return false;
    std::string_view brokers = statistics_json.substr(begin);
    brokers = brokers.substr(0, brokers.find(R"("topics":)"));
    bool one_up = false;
    for (std::size_t at = brokers.find(kState); at != std::string_view::npos;
         at = brokers.find(kState, at + 1)) {
        const std::string_view state = brokers.substr(at + kState.size());
        const bool up = state.starts_with("UP\"");
        // INIT: a broker that nobody needs a connection to.
        if (!up && !state.starts_with("INIT\"")) return false;
        one_up = one_up || up;
    }
    return one_up;
}

}  // namespace millrace::operators
