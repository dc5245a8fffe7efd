#include "tests/contract/outside.h"

#include <algorithm>
#include <cstdio>
#include <future>
#include <sstream>
#include <utility>

#include <catch2/catch.hpp>
#include <unistd.h>

#include "tests/support/kafka_client.h"

namespace millrace::contract {
namespace {

constexpr std::int64_t kRecordMs = 1'700'000'000'000;
constexpr std::string_view kOutputFile = "standard_output";

Lines lines_of(const std::string& text) {
    Lines lines;
    std::istringstream in(text);
    for (std::string line; std::getline(in, line);) lines.push_back(line);
    return lines;
}

}  // namespace

class Outside::ServedConnection final : public operators::LineConnection {
  public:
    explicit ServedConnection(std::shared_ptr<Served> served) : served_(std::move(served)) {}
    ServedConnection(const ServedConnection&) = delete;
    ServedConnection& operator=(const ServedConnection&) = delete;
    ~ServedConnection() override {
        const std::lock_guard lock(served_->mutex);
        served_->ring = nullptr;
    }
    Result<std::size_t> read(std::span<char> into) override {
        const std::lock_guard lock(served_->mutex);
        const std::size_t size = std::min(into.size(), served_->bytes.size());
        std::copy_n(served_->bytes.begin(), size, into.begin());
        served_->bytes.erase(0, size);
        return size;
    }

    [[nodiscard]] bool is_connected() const override { return true; }

  private:
    const std::shared_ptr<Served> served_;
};

Outside::~Outside() {
    release_blocking();
    // What it still has to print belongs into the file.
    thread_.reset();
    if (saved_output_ < 0) return;
    ::dup2(saved_output_, STDOUT_FILENO);
    ::close(saved_output_);
}

std::string Outside::variable(std::string_view name) const {
    REQUIRE(name == "FOLDER");
    return folder_.path();
}

Lines Outside::lines_of_file(std::string_view name) const {
    return lines_of(support::read_file(folder_ / name));
}

operators::EmbeddedBroker& Outside::broker() {
    if (broker_ == nullptr) {
        auto started = operators::EmbeddedBroker::start();
        REQUIRE(started);
        broker_ = std::move(*started);
        REQUIRE(broker_->create_topic(kTopic, 1));
    }
    return *broker_;
}

std::vector<operators::KafkaConnection> Outside::connections() {
    return {{.name = "default",
             .brokers = broker().address(),
             .properties = {{"fetch.wait.max.ms", "10"},
                            {"topic.metadata.refresh.interval.ms", "100"},
                            {"topic.metadata.propagation.max.ms", "200"}}}};
}

void Outside::produce(const Lines& values) {
    support::KafkaClient client(broker().address());
    std::vector<support::KafkaRecord> records;
    for (const std::string& value : values)
        records.push_back({.timestamp_ms = kRecordMs, .value = value});
    REQUIRE(client.produce(std::string(kTopic), records));
}

Lines Outside::topic() {
    support::KafkaClient client(broker().address());
    const auto records = client.read_all(std::string(kTopic));
    REQUIRE(records);
    Lines values;
    for (const support::KafkaRecord& record : *records) values.push_back(record.value.value_or(""));
    return values;
}

std::size_t Outside::topic_end() {
    const auto marks = support::KafkaClient(broker().address()).watermarks(std::string(kTopic));
    REQUIRE(marks);
    return static_cast<std::size_t>(marks->front().high);
}

void Outside::serve(const Lines& lines) {
    const std::lock_guard lock(served_->mutex);
    for (const std::string& line : lines) served_->bytes += line + "\n";
    if (served_->ring) served_->ring();
}

operators::LineConnector Outside::connector() {
    return [served = served_](
               const std::string&,
               std::function<void()> ring) -> Result<std::unique_ptr<operators::LineConnection>> {
        const std::lock_guard lock(served->mutex);
        served->ring = std::move(ring);
        return std::make_unique<ServedConnection>(served);
    };
}

void Outside::capture_output() {
    std::fflush(stdout);
    saved_output_ = ::dup(STDOUT_FILENO);
    std::FILE* file = std::fopen(path(kOutputFile).c_str(), "w");
    REQUIRE(file != nullptr);
    ::dup2(::fileno(file), STDOUT_FILENO);
    std::fclose(file);
}

Lines Outside::printed() const { return lines_of_file(kOutputFile); }

void Outside::hold_blocking() {
    const std::lock_guard lock(held_mutex_);
    is_held_ = true;
}

void Outside::release_blocking() {
    const std::lock_guard lock(held_mutex_);
    is_held_ = false;
    for (auto& work : std::exchange(held_, {})) (void)thread_->submit()(std::move(work));
}

void Outside::finish_blocking() {
    std::promise<void> finished;
    REQUIRE(thread_->submit()([&] { finished.set_value(); }));
    finished.get_future().wait();
}

RunBlocking Outside::blocking() {
    return [this](std::function<void()> work) {
        const std::lock_guard lock(held_mutex_);
        if (!is_held_) return thread_->submit()(std::move(work));
        held_.push_back(std::move(work));
        return Status();
    };
}

}  // namespace millrace::contract
