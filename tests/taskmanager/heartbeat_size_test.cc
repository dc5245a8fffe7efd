#include "runtime/taskmanager/heartbeat_size.h"

#include <catch2/catch.hpp>

#include "runtime/net/control_message.h"

namespace millrace::taskmanager {
namespace {

proto::Heartbeat heartbeat_of(int subtasks) {
    proto::Heartbeat heartbeat;
    heartbeat.set_resident_bytes(1 << 30);
    heartbeat.add_memory()->set_name("managed");
    heartbeat.add_models()->set_model("ctr");
    heartbeat.add_pools()->set_name("slot 3");
    for (int i = 0; i < subtasks; ++i) {
        proto::SubtaskReport& report = *heartbeat.add_subtasks();
        report.set_job_id(std::string(32, 'a'));
        report.set_subtask(static_cast<std::uint32_t>(i));
        report.set_records_in(1'000'000'000'000);
        report.set_busy_ms_per_second(1.5);
        report.set_trouble("waits for the broker");
    }
    return heartbeat;
}

TEST_CASE("A heartbeat at the limit is left as it is", "[taskmanager][heartbeat]") {
    proto::Heartbeat heartbeat = heartbeat_of(1000);
    const std::string before = heartbeat.SerializeAsString();
    leave_out_what_does_not_fit(heartbeat, before.size());
    CHECK(heartbeat.SerializeAsString() == before);
}

TEST_CASE("A heartbeat over the limit leaves out its last subtasks and counts them",
          "[taskmanager][heartbeat]") {
    proto::Heartbeat heartbeat = heartbeat_of(1000);
    const std::size_t bytes_max = heartbeat.ByteSizeLong() - 1;
    leave_out_what_does_not_fit(heartbeat, bytes_max);
    CHECK(heartbeat.ByteSizeLong() <= bytes_max);
    CHECK(heartbeat.reports_left_out() == 1);
    REQUIRE(heartbeat.subtasks_size() == 999);
    CHECK(heartbeat.subtasks(998).subtask() == 998);
    CHECK(heartbeat.models_size() == 1);
    CHECK(heartbeat.pools_size() == 1);
}

TEST_CASE("A heartbeat keeps what stands for the whole process to the last",
          "[taskmanager][heartbeat]") {
    proto::Heartbeat heartbeat = heartbeat_of(10);
    leave_out_what_does_not_fit(heartbeat, 40);
    CHECK(heartbeat.ByteSizeLong() <= 40);
    CHECK(heartbeat.resident_bytes() == 1 << 30);
    CHECK(heartbeat.memory_size() == 1);
    CHECK(heartbeat.subtasks_size() == 0);
    CHECK(heartbeat.reports_left_out() ==
          static_cast<std::uint32_t>(12 - heartbeat.models_size() - heartbeat.pools_size()));
}

TEST_CASE("A heartbeat of 200,000 subtasks fits into a control message",
          "[taskmanager][heartbeat]") {
    proto::ControlMessage message;
    *message.mutable_heartbeat() = heartbeat_of(200'000);
    REQUIRE(message.ByteSizeLong() > net::kControlPayloadBytesMax);
    leave_out_what_does_not_fit(*message.mutable_heartbeat(), net::kControlContentBytesMax);
    CHECK(message.ByteSizeLong() <= net::kControlPayloadBytesMax);
    // As full as it can be: not even one of the same size more.
    CHECK(message.ByteSizeLong() > net::kControlPayloadBytesMax - 200);
    const auto kept = static_cast<std::uint32_t>(message.heartbeat().subtasks_size());
    CHECK(kept > 60'000);
    CHECK(message.heartbeat().reports_left_out() == 200'000 - kept);
}

}  // namespace
}  // namespace millrace::taskmanager
