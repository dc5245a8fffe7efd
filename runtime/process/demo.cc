// `millrace demo`: an embedded or real broker, a generator, and the shipped click job, in one
// process.

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>

#include <fmt/core.h>

#include "embedded_jobs.h"
#include "operators/kafka/embedded_broker.h"
#include "operators/kafka/kafka_directory.h"
#include "runtime/jobfile/validate.h"
#include "runtime/process/first_record.h"
#include "runtime/process/foreground_job.h"
#include "runtime/process/job_roles.h"

namespace millrace::process {
namespace {

struct Topic {
    const char* name;
    int partitions;
};
constexpr std::array kTopics{Topic{"ad_clicks", 4}, Topic{"ad_predictions", 4},
                             Topic{"ad_quality", 1}, Topic{"ctr_dlq", 1}};

// The embedded broker answers an empty fetch only after the whole wait.
const operators::KafkaProperties kEmbeddedProperties{{"fetch.wait.max.ms", "10"}};

std::string generator_job(const std::string& rate) {
    return fmt::format(
        "version: 1\nname: ctr-generator\n"
        "sources:\n  impressions: {{ type: generate, preset: ctr, rate: {} }}\n"
        "sinks:\n  out: {{ type: kafka, from: impressions, topic: ad_clicks, key: impression_id "
        "}}\n",
        rate);
}

Result<proto::Job> job_from(const std::string& name, const std::string& text) {
    jobfile::Validation validation = jobfile::validate({{.name = name, .text = text}}, {});
    if (validation.job != nullptr) return std::move(*validation.job);
    return fail(
        Code::kInvalidOption, "{}",
        config::report(validation.diagnostics, validation.sources, config::ReportForm::kText));
}

Result<std::unique_ptr<operators::EmbeddedBroker>> start_broker() {
    MILLRACE_TRY_ASSIGN(auto broker, operators::EmbeddedBroker::start());
    for (const Topic& topic : kTopics)
        MILLRACE_TRY(broker->create_topic(topic.name, topic.partitions));
    return broker;
}

Status create_topics(const operators::KafkaConnection& connection) {
    const SystemClock clock;
    MILLRACE_TRY_ASSIGN(auto directory, operators::KafkaDirectory::open(connection, "", clock));
    // Tells soon that nobody answers; making a topic would wait for its whole deadline.
    MILLRACE_TRY(directory->topics());
    for (const Topic& topic : kTopics) {
        const Status created = directory->create_topic(topic.name, topic.partitions);
        if (!created && created.error().code != Code::kAlreadyExists) return created;
    }
    return {};
}

Status write_address(const std::string& path, const std::string& address) {
    if (path.empty()) return {};
    std::ofstream file(path);
    file << address << "\n";
    file.close();
    if (file) return {};
    const int cause = errno;
    return fail(cause == EACCES ? Code::kPermissionDenied : Code::kInvalidArgument,
                "cannot write the port file {}: {}", path, std::strerror(cause));
}

}  // namespace

cli::ExitCode run_demo(const cli::CommandLine& line, const jobfile::ExpressionChecker*) {
    auto generator = job_from("generator", generator_job(line.rate));
    if (!generator) return exit_with(generator.error());
    auto click_job = job_from("ctr.yaml", kCtrJob);
    if (!click_job) return exit_with(click_job.error());

    const auto settings = read_settings(line);
    if (!settings) return exit_with(settings.error());
    auto clusters = kafka_clusters_of(line, *settings);
    if (!clusters) return exit_with(clusters.error());

    operators::KafkaConnection connection;
    std::unique_ptr<operators::EmbeddedBroker> broker;
    const auto offered = std::ranges::find(*clusters, operators::kDefaultKafkaCluster,
                                           &operators::KafkaConnection::name);
    if (offered == clusters->end()) {
        auto started = start_broker();
        if (!started) return exit_with(started.error());
        broker = std::move(*started);
        connection = {.name = std::string(operators::kDefaultKafkaCluster),
                      .brokers = broker->address(),
                      .properties = kEmbeddedProperties};
        clusters = std::vector{connection};
    } else {
        connection = *offered;
        if (Status created = create_topics(connection); !created) return exit_with(created.error());
    }
    if (Status written = write_address(line.port_file, connection.brokers); !written)
        return exit_with(written.error());
    fmt::print(stderr, "{} Kafka  {} (ad_clicks, ad_predictions, ad_quality, ctr_dlq)\n",
               broker != nullptr ? "embedded" : "real", connection.brokers);
    const SystemClock clock;
    const FirstRecord first(connection, "ad_predictions", clock);
    ForegroundJob demo(line, *settings, *std::move(clusters));
    demo.on_watch([&, told = false]() mutable -> std::optional<std::string> {
        const auto seen = first.seen();
        if (told || !seen) return std::nullopt;
        told = true;
        return fmt::format("first prediction after {:.1f} s",
                           std::chrono::duration<double>(*seen - line.started).count());
    });
    demo.add_side_job(std::move(*generator));
    const cli::ExitCode code = demo.run(std::move(*click_job), kCtrJob);
    if (broker != nullptr)
        fmt::print(stderr, "the embedded broker and its topics are gone with this process\n");
    return code == cli::ExitCode::kInterrupted ? cli::ExitCode::kDone : code;
}

}  // namespace millrace::process
