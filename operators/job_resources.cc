#include "operators/job_resources.h"

#include "operators/kafka/kafka_client.h"
#include "operators/learning/shared_model.h"
#include "runtime/base/check.h"

namespace millrace::operators {

JobResources::JobResources(Environment environment, std::vector<KafkaConnection> connections)
    : environment_(std::move(environment)),
      connections_(std::move(connections)),
      kafka_(std::make_unique<KafkaClients>(
          environment_.kafka_memory, environment_.clock,
          environment_.ask_brokers ? environment_.ask_brokers : environment_.run_blocking)) {}

JobResources::~JobResources() = default;

void JobResources::add_model(std::unique_ptr<SharedModel> model) {
    const std::string name = model->options().name;
    MILLRACE_CHECK(models_.emplace(name, std::move(model)).second);
}

Result<SharedModel*> JobResources::model(std::string_view name) const {
    const auto found = models_.find(name);
    if (found == models_.end()) return fail(Code::kNotFound, "no such model here: {}", name);
    return found->second.get();
}

Result<KafkaConnection> JobResources::connection(std::string_view name) const {
    if (name.empty() && connections_.size() == 1) return connections_.front();
    const std::string_view wanted = name.empty() ? kDefaultKafkaCluster : name;
    for (const KafkaConnection& connection : connections_) {
        if (connection.name == wanted) return connection;
    }
    return fail(Code::kNotFound, "no Kafka connection of this name: {}", wanted);
}

}  // namespace millrace::operators
