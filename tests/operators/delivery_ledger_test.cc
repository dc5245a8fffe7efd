#include "operators/kafka/delivery_ledger.h"

#include <atomic>
#include <memory>
#include <thread>

#include <catch2/catch.hpp>

#include "tests/support/eventually.h"

namespace millrace::operators {
namespace {

// A producer that never connects: reports need a topic to name.
struct Producer {
    KafkaHandle handle{rd_kafka_new(RD_KAFKA_PRODUCER, rd_kafka_conf_new(), nullptr, 0)};
    KafkaTopic topic{rd_kafka_topic_new(handle.get(), "out", nullptr)};

    [[nodiscard]] rd_kafka_message_t report(DeliveryLedger& ledger, rd_kafka_resp_err_t error) {
        rd_kafka_message_t message{};
        message.err = error;
        message.rkt = topic.get();
        message._private = &ledger;
        return message;
    }
};

void settle(Producer& producer, DeliveryLedger& ledger, rd_kafka_resp_err_t error) {
    const rd_kafka_message_t message = producer.report(ledger, error);
    DeliveryLedger::on_delivery(producer.handle.get(), &message, nullptr);
}

// Looks again at once, so that both threads meet; on one processor the other has to get its turn.
void pause_after(int looks) {
    if (looks > 100) std::this_thread::yield();
}

}  // namespace

TEST_CASE("DeliveryLedger is settled when every record was acknowledged", "[operators][kafka]") {
    Producer producer;
    DeliveryLedger ledger;
    CHECK(ledger.is_settled() == true);
    ledger.sent(2);
    settle(producer, ledger, RD_KAFKA_RESP_ERR_NO_ERROR);
    CHECK(ledger.is_settled() == false);
    settle(producer, ledger, RD_KAFKA_RESP_ERR_NO_ERROR);
    CHECK(ledger.is_settled() == true);
}

TEST_CASE("DeliveryLedger keeps the first record that was given up", "[operators][kafka]") {
    Producer producer;
    DeliveryLedger ledger;
    ledger.sent(3);
    settle(producer, ledger, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
    settle(producer, ledger, RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE);
    const auto settled = ledger.is_settled();
    REQUIRE_FALSE(settled);
    CHECK(settled.error().code == Code::kPermissionDenied);
}

TEST_CASE("DeliveryLedger never takes a record that was given up for an acknowledged one",
          "[operators][kafka]") {
    // Another sink's task serves the client while this one asks.
    constexpr std::size_t kRounds = 100'000;
    // Where others take the processor at every turn, fewer rounds are asked about.
    const support::Deadline enough(std::chrono::seconds(4));
    Producer producer;
    std::vector<std::unique_ptr<DeliveryLedger>> ledgers;
    for (std::size_t i = 0; i < kRounds; ++i) {
        ledgers.push_back(std::make_unique<DeliveryLedger>());
        ledgers.back()->sent(1);
    }
    std::atomic<std::size_t> asked{0};
    std::thread server([&] {
        for (std::size_t i = 0; i < kRounds; ++i) {
            for (int looks = 0; asked.load() < i; ++looks) pause_after(looks);
            settle(producer, *ledgers[i], RD_KAFKA_RESP_ERR__MSG_TIMED_OUT);
        }
    });
    std::size_t mistaken = 0;
    for (std::size_t i = 0; i < kRounds && (i % 100 != 99 || !enough.passed()); ++i) {
        asked.store(i);
        Result<bool> settled = false;
        for (int looks = 0; settled == false; ++looks) {
            pause_after(looks);
            settled = ledgers[i]->is_settled();
        }
        mistaken += settled.has_value() ? 1 : 0;
    }
    asked.store(kRounds);
    server.join();
    CHECK(mistaken == 0);
}

}  // namespace millrace::operators
