#include "runtime/cli/memory_sums.h"

#include <algorithm>
#include <cmath>

#include <boost/json.hpp>
#include <fmt/core.h>
#include <fmt/ranges.h>

namespace millrace::cli {
namespace {

namespace json = boost::json;

double mib(std::uint64_t bytes) { return static_cast<double>(bytes) / (1 << 20); }

std::string model_lines(const TaskManagerSum& sum) {
    if (sum.models.empty()) return {};
    std::string text =
        fmt::format("    models {:.1f} MiB, once, in equal parts from the job's slots:",
                    mib(sum.model_bytes()));
    for (const ModelSum& model : sum.models)
        text += fmt::format(" {} {:.1f}", model.name, mib(model.bytes));
    text += "\n";
    for (const ModelSum& model : sum.models) {
        text += fmt::format(
            "      {}: table {:.1f} MiB, view {:.1f} MiB; a new key shares its cell with odds of "
            "{:.0f} % at 1,000,000 keys\n",
            model.name, mib(model.table_bytes), mib(model.view_bytes),
            100 * collision_odds(1e6, model.bits));
    }
    return text;
}

std::string task_lines(const TaskManagerSum& sum) {
    std::string text = fmt::format("    working sets {:.1f} MiB, with windows of {} KiB:\n",
                                   mib(sum.working_set_bytes()), sum.window_bytes >> 10);
    for (const TaskSum& task : sum.tasks) {
        text += fmt::format("      {} x {:.2f} MiB  {}", task.count, mib(task.working_set_bytes),
                            task.name);
        if (task.buffers_required > 0) {
            text += fmt::format("  ({} network buffers, {} at best)", task.buffers_required,
                                task.buffers_target);
        }
        text += "\n";
    }
    return text;
}

std::string client_lines(const TaskManagerSum& sum) {
    std::string text =
        fmt::format("  task memory      {:.1f} of {:.1f} MiB{}\n", mib(sum.kafka_bytes()),
                    mib(sum.task_bytes), sum.clients.empty() ? "" : ", queues of librdkafka:");
    for (const KafkaClientSum& client : sum.clients) {
        text += fmt::format("    {} {:.1f} MiB ({})\n", client.role, mib(client.bytes),
                            fmt::join(client.nodes, ", "));
    }
    return text;
}

std::string text_of(const TaskManagerSum& sum) {
    std::string text = fmt::format(
        "  managed memory   {:.1f} of {:.1f} MiB; the fullest of its {} slot{} {:.2f} of {:.2f}\n",
        mib(sum.model_bytes() + sum.working_set_bytes()), mib(sum.managed_bytes), sum.slots,
        sum.slots == 1 ? "" : "s", mib(sum.slot_bytes_needed), mib(sum.slot_bytes));
    text += model_lines(sum) + task_lines(sum);
    text += fmt::format("  network buffers  {} of {} ({:.2f} MiB), {} at best\n",
                        sum.buffers_required(), sum.buffers,
                        mib(sum.buffers_required() * sum.buffer_bytes), sum.buffers_target());
    text += client_lines(sum);
    if (!sum.refusal.empty()) text += "  refused: " + sum.refusal + "\n";
    return text;
}

json::object json_of(const TaskManagerSum& sum) {
    json::array models;
    for (const ModelSum& model : sum.models)
        models.push_back({{"name", model.name},
                          {"bytes", model.bytes},
                          {"table-bytes", model.table_bytes},
                          {"view-bytes", model.view_bytes},
                          {"bits", model.bits}});
    json::array tasks;
    for (const TaskSum& task : sum.tasks) {
        tasks.push_back({{"name", task.name},
                         {"count", task.count},
                         {"working-set-bytes", task.working_set_bytes},
                         {"network-buffers-required", task.buffers_required},
                         {"network-buffers-target", task.buffers_target}});
    }
    json::array clients;
    for (const KafkaClientSum& client : sum.clients) {
        clients.push_back({{"role", client.role},
                           {"nodes", json::array(client.nodes.begin(), client.nodes.end())},
                           {"bytes", client.bytes}});
    }
    return {{"number", sum.number},
            {"slots", sum.slots},
            {"managed",
             {{"needed", sum.model_bytes() + sum.working_set_bytes()},
              {"available", sum.managed_bytes},
              {"slot-needed", sum.slot_bytes_needed},
              {"slot-available", sum.slot_bytes},
              {"models", std::move(models)},
              {"window-bytes", sum.window_bytes}}},
            {"tasks", std::move(tasks)},
            {"network-buffers",
             {{"required", sum.buffers_required()},
              {"target", sum.buffers_target()},
              {"bytes", sum.buffers_required() * sum.buffer_bytes},
              {"available", sum.buffers}}},
            {"task", {{"needed", sum.kafka_bytes()}, {"available", sum.task_bytes}}},
            {"connectors", std::move(clients)},
            {"refusal", sum.refusal}};
}

}  // namespace

std::uint64_t TaskManagerSum::model_bytes() const {
    std::uint64_t sum = 0;
    for (const ModelSum& model : models) sum += model.bytes;
    return sum;
}

std::uint64_t TaskManagerSum::working_set_bytes() const {
    std::uint64_t sum = 0;
    for (const TaskSum& task : tasks) sum += task.count * task.working_set_bytes;
    return sum;
}

std::uint64_t TaskManagerSum::buffers_required() const {
    std::uint64_t sum = 0;
    for (const TaskSum& task : tasks) sum += task.buffers_required;
    return sum;
}

std::uint64_t TaskManagerSum::buffers_target() const {
    std::uint64_t sum = 0;
    for (const TaskSum& task : tasks) sum += task.buffers_target;
    return sum;
}

std::uint64_t TaskManagerSum::kafka_bytes() const {
    std::uint64_t sum = 0;
    for (const KafkaClientSum& client : clients) sum += client.bytes;
    return sum;
}

bool MemorySums::is_refused() const {
    return std::ranges::any_of(taskmanagers,
                               [](const TaskManagerSum& sum) { return !sum.refusal.empty(); });
}

double collision_odds(double keys, std::uint32_t bits) {
    return 1 - std::exp(-keys / std::exp2(bits));
}

std::string text_of(const MemorySums& sums) {
    const bool one = sums.taskmanager_count == 1;
    std::string text = fmt::format(
        "assumed: {} TaskManager{} of {:.0f} MiB with {} slot{}{}{}\n", sums.taskmanager_count,
        one ? "" : "s", mib(sums.process_bytes), sums.slots, sums.slots == 1 ? "" : "s",
        one ? "" : " each",
        sums.has_assumed_slots ? ", as many as the job needs; a cluster's own number is given by "
                                 "-D taskmanager.numberOfTaskSlots=N"
                               : "");
    for (const TaskManagerSum& sum : sums.taskmanagers) {
        text += fmt::format("memory in TaskManager {} of {}\n", sum.number, sums.taskmanager_count);
        text += text_of(sum);
    }
    const std::size_t idle = sums.taskmanager_count - sums.taskmanagers.size();
    if (idle > 0) {
        text += fmt::format("{} of {} TaskManagers would get no task of this job\n", idle,
                            sums.taskmanager_count);
    }
    return text;
}

std::string json_of(const MemorySums& sums, const std::string& job) {
    json::array all;
    for (const TaskManagerSum& sum : sums.taskmanagers) all.push_back(json_of(sum));
    return json::serialize(json::object{{"job", job},
                                        {"slots-needed", sums.slots_needed},
                                        {"slots-together", sums.slots_together},
                                        {"taskmanager-count", sums.taskmanager_count},
                                        {"process-bytes", sums.process_bytes},
                                        {"slots", sums.slots},
                                        {"slots-are-assumed", sums.has_assumed_slots},
                                        {"is-refused", sums.is_refused()},
                                        {"taskmanagers", std::move(all)}});
}

}  // namespace millrace::cli
