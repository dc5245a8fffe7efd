#include "operators/kafka/embedded_broker.h"

#include <array>
#include <vector>

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include "operators/kafka/kafka_errors.h"
#include "operators/kafka/kafka_handles.h"

namespace millrace::operators {
namespace {

void say_nothing(const rd_kafka_t*, int, const char*, const char*) {}

class MockCluster final : public EmbeddedBroker {
  public:
    MockCluster(KafkaHandle host, rd_kafka_mock_cluster_t* cluster)
        : host_(std::move(host)), cluster_(cluster) {}
    ~MockCluster() override { rd_kafka_mock_cluster_destroy(cluster_); }
    MockCluster(const MockCluster&) = delete;
    MockCluster& operator=(const MockCluster&) = delete;

    Status create_topic(std::string_view topic, int partitions) override {
        const std::string name(topic);
        const rd_kafka_resp_err_t error =
            rd_kafka_mock_topic_create(cluster_, name.c_str(), partitions, 1);
        if (error == RD_KAFKA_RESP_ERR_NO_ERROR) return {};
        return std::unexpected(kafka_error(error, "", "cannot create topic " + name, ""));
    }
    std::string address() const override { return rd_kafka_mock_cluster_bootstraps(cluster_); }

    void set_down(int broker) override { rd_kafka_mock_broker_set_down(cluster_, broker); }
    void set_up(int broker) override { rd_kafka_mock_broker_set_up(cluster_, broker); }
    void set_round_trip_ms(int broker, int round_trip_ms) override {
        rd_kafka_mock_broker_set_rtt(cluster_, broker, round_trip_ms);
    }
    void answer_with_error(Request request, int code, int times) override {
        const std::vector<rd_kafka_resp_err_t> errors(static_cast<std::size_t>(times),
                                                      static_cast<rd_kafka_resp_err_t>(code));
        rd_kafka_mock_push_request_errors_array(cluster_, static_cast<std::int16_t>(request),
                                                errors.size(), errors.data());
    }
    void set_topic_error(std::string_view topic, int code) override {
        rd_kafka_mock_topic_set_error(cluster_, std::string(topic).c_str(),
                                      static_cast<rd_kafka_resp_err_t>(code));
    }

  private:
    const KafkaHandle host_;  // The mock cluster lives inside a client that does nothing else.
    rd_kafka_mock_cluster_t* const cluster_;
};

}  // namespace

Result<std::unique_ptr<EmbeddedBroker>> EmbeddedBroker::start(int brokers) {
    KafkaConf conf(rd_kafka_conf_new());
    rd_kafka_conf_set_log_cb(conf.get(), say_nothing);
    std::array<char, 512> text{};
    KafkaHandle host(rd_kafka_new(RD_KAFKA_PRODUCER, conf.get(), text.data(), text.size()));
    if (host == nullptr)
        return fail(Code::kUnavailable, "cannot start the embedded Kafka broker: {}", text.data());
    static_cast<void>(conf.release());
    rd_kafka_mock_cluster_t* cluster = rd_kafka_mock_cluster_new(host.get(), brokers);
    if (cluster == nullptr)
        return fail(Code::kUnavailable,
                    "cannot start the embedded Kafka broker: no free port of 127.0.0.1");
    return std::make_unique<MockCluster>(std::move(host), cluster);
}

}  // namespace millrace::operators
