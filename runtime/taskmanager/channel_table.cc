#include "runtime/taskmanager/channel_table.h"

#include <algorithm>

#include "operators/error_stream.h"
#include "runtime/base/check.h"
#include "runtime/data/codec.h"

namespace millrace::taskmanager {

class ChannelTable::Builder {
  public:
    Builder(ChannelTable& table, const Plan& plan, memory::NetworkBufferPool& pool,
            net::DataPlane& data_plane)
        : table_(table), plan_(plan), pool_(pool), data_plane_(data_plane) {
        limits_.buffer_bytes = pool.buffer_bytes();
        for (const graph::Placement& p : plan.placements)
            home_[{p.vertex, p.subtask}] = p.taskmanager;
    }

    Status run() {
        for (graph::LinkIndex number = 0; number < plan_.graph.links.size(); ++number) {
            if (plan_.graph.links[number].chained) continue;
            MILLRACE_TRY(add_outputs(number));
            MILLRACE_TRY(add_inputs(number));
        }
        return {};
    }

  private:
    std::uint32_t vertex_of(std::uint32_t op) const { return plan_.graph.operators[op].vertex; }
    std::uint32_t subtasks_of(std::uint32_t op) const {
        return plan_.graph.operators[op].parallelism;
    }
    std::uint32_t home(std::uint32_t op, std::uint32_t subtask) const {
        return home_.at({vertex_of(op), subtask});
    }
    bool is_here(std::uint32_t op, std::uint32_t subtask) const {
        return home(op, subtask) == plan_.self;
    }

    // "learn (3/8)", as people read it.
    std::string subtask_name(std::uint32_t op, std::uint32_t subtask) const {
        return fmt::format("{} ({}/{})", plan_.graph.operators[op].name, subtask + 1,
                           subtasks_of(op));
    }

    data::SchemaPtr schema_of(const graph::Link& link) const {
        if (link.errors) return operators::errors_schema();
        const operators::OutputSchemas& output = plan_.schemas.outputs[link.from];
        return link.side == 0 ? output.main : output.side;
    }

    net::ChannelKey key_of(graph::ChannelId id) const {
        return {.job = plan_.job, .attempt = plan_.attempt, .channel = id.packed()};
    }

    static graph::ChannelId channel(graph::LinkIndex link, std::uint32_t from, std::uint32_t to) {
        return {.link = link,
                .from = static_cast<std::uint16_t>(from),
                .to = static_cast<std::uint16_t>(to)};
    }

    // Where the other ends of one end's channels are.
    memory::Channels count(std::uint32_t op) const {
        memory::Channels channels;
        for (std::uint32_t i = 0; i < subtasks_of(op); ++i)
            ++(is_here(op, i) ? channels.local : channels.remote);
        return channels;
    }

    Status add_outputs(graph::LinkIndex number) {
        const graph::Link& link = plan_.graph.links[number];
        const memory::Channels channels = count(link.to);
        for (std::uint32_t from = 0; from < subtasks_of(link.from); ++from) {
            if (!is_here(link.from, from)) continue;
            memory::LocalBufferPool* buffers = nullptr;
            if (channels.remote > 0) {
                MILLRACE_TRY_ASSIGN(buffers, add_partition(link, from, channels));
            }
            for (std::uint32_t to = 0; to < subtasks_of(link.to); ++to) {
                add_output(number, from, to, buffers);
            }
        }
        return {};
    }

    Result<memory::LocalBufferPool*> add_partition(const graph::Link& link, std::uint32_t from,
                                                   memory::Channels channels) {
        const memory::BufferNeed need = memory::need_of_partition(plan_.buffers, channels);
        Waker* waker = plan_.ends.at({vertex_of(link.from), from}).waker;
        MILLRACE_TRY_ASSIGN(
            auto made,
            pool_.create_pool(subtask_name(link.from, from) + ", sending to " +
                                  plan_.graph.operators[link.to].name,
                              {.buffers_floor = static_cast<std::uint32_t>(need.required),
                               .buffers_ceiling = static_cast<std::uint32_t>(need.target)},
                              [waker] { waker->wake(); }));
        table_.partitions_.push_back(std::move(made));
        return table_.partitions_.back().get();
    }

    void add_output(graph::LinkIndex number, std::uint32_t from, std::uint32_t to,
                    memory::LocalBufferPool* buffers) {
        const graph::Link& link = plan_.graph.links[number];
        const graph::ChannelId id = channel(number, from, to);
        if (is_here(link.to, to)) {
            table_.locals_.push_back(std::make_unique<task::LocalChannel>(plan_.window_bytes));
            table_.outputs_[id] = table_.locals_.back().get();
            table_.inputs_[id] = table_.locals_.back().get();
            return;
        }
        auto output =
            data_plane_.open_output(plan_.taskmanagers[home(link.to, to)], key_of(id),
                                    {.queue_buffers_max = plan_.buffers.max_buffers_per_channel});
        table_.remote_outputs_.push_back(std::make_unique<task::RemoteOutputChannel>(
            std::move(output), *buffers, schema_of(link),
            *plan_.ends.at({vertex_of(link.from), from}).memory, limits_));
        table_.outputs_[id] = table_.remote_outputs_.back().get();
    }

    // The remote inputs of one subtask on one link share a gate.
    Status add_inputs(graph::LinkIndex number) {
        const graph::Link& link = plan_.graph.links[number];
        const memory::GateNeed need = memory::need_of_gate(plan_.buffers, count(link.from));
        for (std::uint32_t to = 0; to < subtasks_of(link.to); ++to) {
            if (!is_here(link.to, to) || count(link.from).remote == 0) continue;
            MILLRACE_TRY_ASSIGN(
                auto gate,
                data_plane_.open_gate(
                    pool_, {.name = subtask_name(link.to, to) + ", receiving from " +
                                    plan_.graph.operators[link.from].name,
                            .exclusive_per_channel = need.exclusive_per_channel,
                            .floating_floor = static_cast<std::uint32_t>(need.floating_required),
                            .floating_ceiling = static_cast<std::uint32_t>(need.floating_max)}));
            table_.gates_.push_back(std::move(gate));
            for (std::uint32_t from = 0; from < subtasks_of(link.from); ++from) {
                if (!is_here(link.from, from)) MILLRACE_TRY(add_input(number, from, to));
            }
        }
        return {};
    }

    Status add_input(graph::LinkIndex number, std::uint32_t from, std::uint32_t to) {
        const graph::Link& link = plan_.graph.links[number];
        const graph::ChannelId id = channel(number, from, to);
        MILLRACE_TRY_ASSIGN(auto input, table_.gates_.back()->open_input(key_of(id)));
        table_.remote_inputs_.push_back(std::make_unique<task::RemoteInputChannel>(
            std::move(input), schema_of(link), *plan_.ends.at({vertex_of(link.to), to}).memory,
            limits_));
        table_.inputs_[id] = table_.remote_inputs_.back().get();
        return {};
    }

    ChannelTable& table_;
    const Plan& plan_;
    memory::NetworkBufferPool& pool_;
    net::DataPlane& data_plane_;
    data::CodecLimits limits_;
    std::map<std::pair<std::uint32_t, std::uint32_t>, std::uint32_t> home_;
};

ChannelTable::ChannelTable() = default;
ChannelTable::~ChannelTable() = default;

Status ChannelTable::build(const Plan& plan, memory::NetworkBufferPool& pool,
                           net::DataPlane& data_plane) {
    return Builder(*this, plan, pool, data_plane).run();
}

void ChannelTable::hang_up() {
    outputs_.clear();
    inputs_.clear();
    remote_outputs_.clear();
    // Buffers of other jobs that come back ring for these, too.
    partitions_.clear();
    remote_inputs_.clear();
}

std::vector<task::OutputChannel*> ChannelTable::outputs(graph::LinkIndex link,
                                                        std::uint32_t subtask) const {
    std::vector<task::OutputChannel*> found;
    for (const auto& [id, channel] : outputs_) {
        if (id.link == link && id.from == subtask) found.push_back(channel);
    }
    return found;
}

std::vector<task::InputChannel*> ChannelTable::inputs(graph::LinkIndex link,
                                                      std::uint32_t subtask) const {
    std::vector<task::InputChannel*> found;
    for (const auto& [id, channel] : inputs_) {
        if (id.link == link && id.to == subtask) found.push_back(channel);
    }
    return found;
}

}  // namespace millrace::taskmanager
