#include "operators/kafka/kafka_client.h"

#include <array>
#include <utility>

#include "operators/kafka/delivery_ledger.h"
#include "operators/kafka/kafka_errors.h"
#include "runtime/base/log.h"

namespace millrace::operators {
namespace {

// Calls `tell` with the client's health, unless the client is gone.
template <class Tell>
void with_health(void* opaque, Tell tell) {
    if (opaque == nullptr) return;
    auto& target = *static_cast<KafkaClient::CallbackTarget*>(opaque);
    const MutexLock lock(target.mutex);
    if (target.health != nullptr) tell(*target.health);
}

void on_error(rd_kafka_t* handle, int code, const char* reason, void* opaque) {
    const auto error = static_cast<rd_kafka_resp_err_t>(code);
    std::array<char, 512> fatal{};
    // Not inside with_health(): librdkafka may log while it holds the lock that this call takes.
    if (error == RD_KAFKA_RESP_ERR__FATAL) rd_kafka_fatal_error(handle, fatal.data(), fatal.size());
    with_health(opaque, [&](ClusterHealth& health) {
        if (error == RD_KAFKA_RESP_ERR__FATAL)
            health.on_fatal(fatal.data());
        else
            health.on_error(error, reason);
    });
}

int on_statistics(rd_kafka_t*, char* json, size_t size, void* opaque) {
    with_health(opaque, [&](ClusterHealth& health) { health.on_statistics({json, size}); });
    return 0;  // librdkafka frees the text.
}

void on_log(const rd_kafka_t* handle, int level, const char* facility, const char* text) {
    if (handle == nullptr) return;
    with_health(rd_kafka_opaque(handle),
                [&](ClusterHealth& health) { health.on_log(level, facility, text); });
}

// Who asks a directory is told what went wrong, so the log need not say it, too.
void on_directory_log(const rd_kafka_t*, int, const char* facility, const char* text) {
    log::debug("kafka: {} {}", facility, text);
}

// The configured value, so that hint_room() can set it again unchanged.
std::string configured(rd_kafka_conf_t& conf, const char* name) {
    std::array<char, 1024> value{};
    std::size_t size = value.size();
    return rd_kafka_conf_get(&conf, name, value.data(), &size) == RD_KAFKA_CONF_OK
               ? std::string(value.data())
               : std::string();
}

TopicView view_of(rd_kafka_t* handle, const std::string& topic, std::string_view brokers) {
    const KafkaTopic known(rd_kafka_topic_new(handle, topic.c_str(), nullptr));
    const rd_kafka_metadata_t* raw = nullptr;
    constexpr int kTimeoutMs = static_cast<int>(
        std::chrono::duration_cast<std::chrono::milliseconds>(KafkaClient::kQuestionMax).count());
    rd_kafka_resp_err_t error = known == nullptr
                                    ? rd_kafka_last_error()
                                    : rd_kafka_metadata(handle, 0, known.get(), &raw, kTimeoutMs);
    const KafkaMetadata metadata(raw);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR && metadata->topic_cnt == 1)
        error = metadata->topics[0].err;
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR)
        return {.partitions = 0,
                .failure = kafka_error(error, brokers, "cannot use topic " + topic, "")};
    return {.partitions = metadata->topics[0].partition_cnt, .failure = std::nullopt};
}

}  // namespace

KafkaClient::KafkaClient(KafkaSettings settings, const Clock& clock, RunBlocking blocking)
    : settings_(std::move(settings)),
      clock_(clock),
      blocking_(std::move(blocking)),
      health_(settings_.connection.name, settings_.connection.brokers, clock),
      target_(new CallbackTarget{.mutex = {}, .health = &health_}) {}

KafkaClient::~KafkaClient() {
    const bool closed = close_handle(handle_.release());
    {
        const MutexLock lock(target_->mutex);
        target_->health = nullptr;
    }
    if (!closed) static_cast<void>(target_.release());  // Threads that go on may still log.
}

Result<std::shared_ptr<KafkaClient>> KafkaClient::start(KafkaSettings settings, const Clock& clock,
                                                        RunBlocking blocking) {
    MILLRACE_TRY_ASSIGN(KafkaConf conf, make_conf(settings));
    auto client = std::make_shared<KafkaClient>(std::move(settings), clock, std::move(blocking));
    client->sasl_username_ = configured(*conf, "sasl.username");
    client->sasl_password_ = configured(*conf, "sasl.password");
    rd_kafka_conf_set_opaque(conf.get(), client->target_.get());
    rd_kafka_conf_set_error_cb(conf.get(), on_error);
    rd_kafka_conf_set_stats_cb(conf.get(), on_statistics);
    const bool directory = client->settings_.role == KafkaRole::kDirectory;
    rd_kafka_conf_set_log_cb(conf.get(), directory ? on_directory_log : on_log);
    const bool sink = client->settings_.role == KafkaRole::kSink;
    if (sink) rd_kafka_conf_set_dr_msg_cb(conf.get(), DeliveryLedger::on_delivery);
    std::array<char, 512> text{};
    client->handle_.reset(rd_kafka_new(sink ? RD_KAFKA_PRODUCER : RD_KAFKA_CONSUMER, conf.get(),
                                       text.data(), text.size()));
    if (client->handle_ == nullptr)
        return fail(Code::kInvalidOption,
                    "cannot set up a client of Kafka cluster {}: {}. Hint: correct its "
                    "`properties`",
                    client->settings_.connection.name, text.data());
    static_cast<void>(conf.release());  // The handle owns it now.
    return client;
}

void KafkaClient::serve() {
    if (serving_.test_and_set(std::memory_order_acquire)) return;
    rd_kafka_poll(handle_.get(), 0);
    serving_.clear(std::memory_order_release);
}

void KafkaClient::serve_sometimes() {
    const TimePoint::rep now = clock_.now().time_since_epoch().count();
    if (now < serve_next_.load(std::memory_order_relaxed)) return;
    serve_next_.store(now + kServeInterval.count(), std::memory_order_relaxed);
    serve();
}

void KafkaClient::learn_topic(std::string topic, const std::function<void(TopicView)>& done) {
    Status queued = run_blocking([topic = std::move(topic), done](KafkaClient& self) {
        done(view_of(self.handle(), topic, self.settings().connection.brokers));
    });
    if (!queued) done({.partitions = 0, .failure = std::move(queued).error()});
}

void KafkaClient::hint_room() {
    if (has_fetch_queue_backoff()) return;
    // The only call of this version that wakes all broker threads of a consumer and changes
    // nothing: it sets the credentials that are set already.
    const KafkaError error(rd_kafka_sasl_set_credentials(handle_.get(), sasl_username_.c_str(),
                                                         sasl_password_.c_str()));
}

void KafkaClient::keep(std::shared_ptr<DeliveryLedger> ledger) {
    const MutexLock lock(mutex_);
    ledgers_.push_back(std::move(ledger));
}

Status KafkaClient::run_blocking(std::function<void(KafkaClient&)> work) {
    return blocking_([self = shared_from_this(), work = std::move(work)] {
        if (!self->is_abandoned_.load(std::memory_order_relaxed)) work(*self);
    });
}

KafkaClients::KafkaClients(KafkaMemory memory, const Clock& clock, RunBlocking blocking)
    : memory_(memory), clock_(clock), blocking_(std::move(blocking)) {}

KafkaClients::~KafkaClients() {
    const MutexLock lock(mutex_);
    for (const auto& client : clients_) client->abandon();
}

Result<std::shared_ptr<KafkaClient>> KafkaClients::client(KafkaSettings settings) {
    settings.memory = memory_;
    const MutexLock lock(mutex_);
    for (const auto& known : clients_) {
        if (known->settings() == settings) return known;
    }
    MILLRACE_TRY_ASSIGN(auto made, KafkaClient::start(std::move(settings), clock_, blocking_));
    clients_.push_back(made);
    return made;
}

}  // namespace millrace::operators
