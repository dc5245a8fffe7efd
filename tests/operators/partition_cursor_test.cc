#include "operators/kafka/partition_cursor.h"

#include <catch2/catch.hpp>

namespace millrace::operators {
namespace {

using Reaction = PartitionCursor::Reaction;

TimePoint at(int seconds) { return TimePoint(std::chrono::seconds(seconds)); }

}  // namespace

TEST_CASE("PartitionCursor stands behind the last record or the reported end",
          "[operators][partition_cursor]") {
    PartitionCursor cursor(10);
    CHECK(cursor.position() == 10);
    REQUIRE(cursor.on_record(12));  // A gap, as transactions leave it.
    CHECK(cursor.position() == 13);
    CHECK_FALSE(cursor.at_end());
    cursor.on_end(15);
    CHECK(cursor.position() == 15);
    CHECK(cursor.at_end());
    cursor.on_end(15);
    REQUIRE(cursor.on_record(15));
    CHECK(cursor.position() == 16);
    CHECK_FALSE(cursor.at_end());
}

TEST_CASE("PartitionCursor gives a damaged batch two more attempts",
          "[operators][partition_cursor]") {
    const auto damage = GENERATE(RD_KAFKA_RESP_ERR__BAD_MSG, RD_KAFKA_RESP_ERR__BAD_COMPRESSION,
                                 RD_KAFKA_RESP_ERR__NOT_IMPLEMENTED);
    PartitionCursor cursor(10);
    CHECK(cursor.on_error(damage) == Reaction::kAssignAgain);
    // Behind damage librdkafka asks for an absurd offset; the new assignment answers that.
    CHECK(cursor.on_error(RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET) == Reaction::kNothing);
    cursor.on_assigned();
    CHECK(cursor.on_error(damage) == Reaction::kAssignAgain);
    cursor.on_assigned();
    CHECK(cursor.on_error(damage) == Reaction::kCorrupt);
    CHECK(cursor.position() == 10);
}

TEST_CASE("PartitionCursor takes nothing from behind damage until it is assigned again",
          "[operators][partition_cursor]") {
    PartitionCursor cursor(10);
    REQUIRE(cursor.on_record(10));
    REQUIRE(cursor.on_error(RD_KAFKA_RESP_ERR__BAD_MSG) == Reaction::kAssignAgain);
    CHECK(cursor.is_to_assign());
    CHECK_FALSE(cursor.on_record(14));
    cursor.on_end(20);
    // The errors that follow from the first are no attempts.
    CHECK(cursor.on_error(RD_KAFKA_RESP_ERR__BAD_MSG) == Reaction::kNothing);
    CHECK(cursor.on_error(RD_KAFKA_RESP_ERR__BAD_MSG) == Reaction::kNothing);
    CHECK(cursor.position() == 11);
    CHECK_FALSE(cursor.at_end());
    CHECK(cursor.errors() == 1);
    cursor.on_assigned();
    CHECK_FALSE(cursor.is_to_assign());
    CHECK(cursor.on_record(11));
    CHECK(cursor.position() == 12);
}

TEST_CASE("PartitionCursor begins to count again after progress", "[operators][partition_cursor]") {
    PartitionCursor cursor(10);
    for (int i = 0; i < 5; ++i) {
        CHECK(cursor.on_error(RD_KAFKA_RESP_ERR__BAD_MSG) == Reaction::kAssignAgain);
        cursor.on_assigned();
        REQUIRE(cursor.on_record(10 + i));
    }
    CHECK(cursor.on_error(RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET) == Reaction::kOutOfRange);
}

TEST_CASE("PartitionCursor tells what is gone or forbidden from what passes",
          "[operators][partition_cursor]") {
    PartitionCursor cursor(10);
    CHECK(cursor.on_error(RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) == Reaction::kGone);
    CHECK(cursor.on_error(RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED) == Reaction::kDenied);
    CHECK(cursor.on_error(RD_KAFKA_RESP_ERR__TRANSPORT) == Reaction::kNothing);
    CHECK(cursor.on_error(RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION) == Reaction::kNothing);
}

TEST_CASE("PartitionCursor stalls after 30 s of silence in front of records",
          "[operators][partition_cursor]") {
    PartitionCursor cursor(10);
    CHECK_FALSE(cursor.is_stalled(11, at(100)));
    CHECK_FALSE(cursor.is_stalled(11, at(129)));
    CHECK(cursor.is_stalled(11, at(130)));
    SECTION("a record ends the stall") {
        REQUIRE(cursor.on_record(10));
        CHECK_FALSE(cursor.is_stalled(12, at(140)));
        CHECK_FALSE(cursor.is_stalled(12, at(169)));
    }
    SECTION("a broker that cannot be asked ends the stall") {
        CHECK_FALSE(cursor.is_stalled(std::nullopt, at(140)));
        CHECK_FALSE(cursor.is_stalled(11, at(150)));
        CHECK(cursor.is_stalled(11, at(180)));
    }
    SECTION("a pause of the reader ends the stall") {
        cursor.on_pause();
        CHECK_FALSE(cursor.is_stalled(11, at(140)));
        CHECK_FALSE(cursor.is_stalled(11, at(169)));
        CHECK(cursor.is_stalled(11, at(170)));
    }
    SECTION("an end without records is no stall") {
        CHECK_FALSE(cursor.is_stalled(10, at(140)));
        CHECK_FALSE(cursor.is_stalled(11, at(150)));
    }
}

}  // namespace millrace::operators
