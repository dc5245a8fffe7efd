// What the tasks of one attempt of a job share in one TaskManager: its models and Kafka clients.
//
// Made before the first task is built and destroyed after the last one has closed. The deployment
// opens the models' memory accounts and hands the models over.
//
// Threads:    filled on one thread before tasks start; then read by any.
// Ownership:  owns models and clients; borrows clock, metrics and budgets, which must outlive it.
// Limits:     those of the models' accounts and of the task region.
// Failure:    kNotFound for what this attempt was not planned with.

#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "operators/kafka/kafka_settings.h"
#include "operators/line_connection.h"
#include "runtime/base/clock.h"
#include "runtime/base/metrics.h"
#include "runtime/base/run_blocking.h"
#include "runtime/base/status.h"

namespace millrace::operators {

class KafkaClients;
class SharedModel;

class JobResources {
  public:
    struct Environment {
        const Clock& clock;
        metrics::Registry& metrics;
        // What each Kafka client may hold; the deployment reserved it from the task region.
        KafkaMemory kafka_memory{};
        RunBlocking run_blocking;
        // The same for questions to brokers, which last until their deadline while a broker is away
        // and must not hold up anything else; run_blocking where there is none.
        RunBlocking ask_brokers{};
        // Opens connections for socket sources; none where jobs may not have any.
        LineConnector connect_lines{};
        // Of all sources together, in all TaskManagers.
        std::size_t split_count = 0;
    };

    JobResources(Environment environment, std::vector<KafkaConnection> connections);
    JobResources(const JobResources&) = delete;
    JobResources& operator=(const JobResources&) = delete;
    ~JobResources();

    void add_model(std::unique_ptr<SharedModel> model);
    Result<SharedModel*> model(std::string_view name) const;
    [[nodiscard]] const std::map<std::string, std::unique_ptr<SharedModel>, std::less<>>& models()
        const {
        return models_;
    }

    // The connection called `name`; the only one, or "default", for an empty name.
    Result<KafkaConnection> connection(std::string_view name) const;
    [[nodiscard]] KafkaClients& kafka() { return *kafka_; }

    [[nodiscard]] const Environment& environment() const { return environment_; }

  private:
    const Environment environment_;
    const std::vector<KafkaConnection> connections_;
    std::map<std::string, std::unique_ptr<SharedModel>, std::less<>> models_;
    std::unique_ptr<KafkaClients> kafka_;
};

}  // namespace millrace::operators
