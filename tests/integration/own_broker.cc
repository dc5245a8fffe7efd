#include "tests/integration/own_broker.h"

#include <catch2/catch.hpp>

#include "tests/support/free_port.h"
#include "tests/support/kafka_client.h"

namespace millrace::integration {

OwnBroker::OwnBroker()
    : port_(std::to_string(support::free_port())),
      sasl_port_(std::to_string(support::free_port())) {
    (void)support::kafka_brokers_or_skip();  // Where there is none, Kafka is not installed.
}

OwnBroker::~OwnBroker() { (void)run({"stop"}); }

void OwnBroker::start(const std::string& password) {
    const auto started = run(
        {"start", "--port", port_, "--sasl-port", sasl_port_, "--sasl-user", "mill:" + password});
    REQUIRE(started);
    CAPTURE(started->errors);
    REQUIRE(started->exit_code == 0);
}

void OwnBroker::stop() {
    const auto stopped = run({"stop"});
    REQUIRE(stopped);
    REQUIRE(stopped->exit_code == 0);
}

std::string OwnBroker::address() const { return "127.0.0.1:" + port_; }

std::string OwnBroker::sasl_address() const { return "127.0.0.1:" + sasl_port_; }

std::filesystem::path OwnBroker::segment(const std::string& topic) const {
    return folder_ / "data" / "log" / (topic + "-0") / "00000000000000000000.log";
}

Result<support::Finished> OwnBroker::run(std::vector<std::string> words) const {
    words.insert(words.begin(), MILLRACE_SOURCE_DIR "/deploy/kafka/kafka");
    words.insert(words.end(), {"--data", (folder_ / "data").string()});
    return support::run({.argv = std::move(words)}, std::chrono::seconds(90));
}

}  // namespace millrace::integration
