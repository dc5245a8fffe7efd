// A Kafka broker of a case's own, which it may stop, start again and damage.
//
// Threads:    the thread of the case.
// Ownership:  owns the process and its folder; both end with it.
// Limits:     starting takes some 5 s.
// Failure:    ends the Catch2 case; skips it where Kafka is not installed.

#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "tests/support/process.h"
#include "tests/support/temp_dir.h"

namespace millrace::integration {

class OwnBroker {
  public:
    // Chooses the ports; start() opens them.
    OwnBroker();
    OwnBroker(const OwnBroker&) = delete;
    OwnBroker& operator=(const OwnBroker&) = delete;
    ~OwnBroker();

    // Returns when it answers, at the same ports every time and with the topics that it had. The
    // second port takes the user `mill` with this password only.
    void start(const std::string& password = "right");
    void stop();

    [[nodiscard]] std::string address() const;
    [[nodiscard]] std::string sasl_address() const;
    // The first segment of partition 0.
    [[nodiscard]] std::filesystem::path segment(const std::string& topic) const;

  private:
    // deploy/kafka/kafka with these words.
    [[nodiscard]] Result<support::Finished> run(std::vector<std::string> words) const;

    support::TempDir folder_;
    std::string port_;
    std::string sasl_port_;
};

}  // namespace millrace::integration
