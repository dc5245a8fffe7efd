// What lies around an operator under test and outlives it: files, a Kafka broker, a server of
// lines, standard output, and the thread that may block.
//
// Threads:    the case's; bells are rung from others.
// Ownership:  owns all of it. Stages of one scenario share one Outside, as attempts of a job do.
// Limits:     one topic, `rows`, of one partition.
// Failure:    ends the Catch2 case.

#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "operators/kafka/embedded_broker.h"
#include "operators/kafka/kafka_settings.h"
#include "operators/line_connection.h"
#include "runtime/base/run_blocking.h"
#include "tests/operators/blocking_thread.h"
#include "tests/support/manual_clock.h"
#include "tests/support/temp_dir.h"

namespace millrace::contract {

using Lines = std::vector<std::string>;

class Outside {
  public:
    static constexpr std::string_view kTopic = "rows";

    Outside() = default;
    Outside(const Outside&) = delete;
    Outside& operator=(const Outside&) = delete;
    ~Outside();

    // What job files may name in place of a variable: FOLDER.
    [[nodiscard]] std::string variable(std::string_view name) const;
    [[nodiscard]] std::string path(std::string_view name) const { return folder_ / name; }
    [[nodiscard]] Lines lines_of_file(std::string_view name) const;

    // Kafka: the broker starts with the first call of any of these.
    void produce(const Lines& values);
    // Everything in the topic, values only.
    [[nodiscard]] Lines topic();
    // How many there ever were; the broker keeps some megabytes only.
    [[nodiscard]] std::size_t topic_end();
    [[nodiscard]] operators::EmbeddedBroker& broker();
    [[nodiscard]] std::vector<operators::KafkaConnection> connections();

    // A server that hands its lines to whoever connects.
    void serve(const Lines& lines);
    [[nodiscard]] operators::LineConnector connector();

    // Standard output of the process goes to a file from here on.
    void capture_output();
    [[nodiscard]] Lines printed() const;

    // What may block is kept waiting until release().
    void hold_blocking();
    void release_blocking();
    // Waits until all of it has ended that is not kept waiting.
    void finish_blocking();
    [[nodiscard]] RunBlocking blocking();

    millrace::test::ManualClock clock;

  private:
    class ServedConnection;
    // Bytes still to be sent, and whom to ring when there are more.
    struct Served {
        std::mutex mutex;
        std::string bytes;
        std::function<void()> ring;
    };

    support::TempDir folder_;
    std::unique_ptr<operators::EmbeddedBroker> broker_;
    std::shared_ptr<Served> served_ = std::make_shared<Served>();
    int saved_output_ = -1;
    std::mutex held_mutex_;
    bool is_held_ = false;
    std::vector<std::function<void()>> held_;
    std::unique_ptr<operators::test::BlockingThread> thread_ =
        std::make_unique<operators::test::BlockingThread>();
};

}  // namespace millrace::contract
