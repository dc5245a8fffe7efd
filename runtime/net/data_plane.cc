#include "runtime/net/data_plane.h"

#include <map>
#include <set>
#include <utility>

#include "runtime/base/check.h"
#include "runtime/net/data_receiver.h"
#include "runtime/net/data_sender.h"
#include "runtime/net/tcp.h"

namespace millrace::net {
namespace {

// Jobs whose attempts are remembered; far above what one TaskManager can run.
constexpr std::size_t kJobsMax = 65'536;

}  // namespace

// Everything here belongs to the loop.
class PlaneState : public std::enable_shared_from_this<PlaneState> {
  public:
    PlaneState(EventLoop& owner, const Clock& its_clock, metrics::MetricGroup& metrics,
               DataPlane::Options given)
        : loop(owner),
          clock(its_clock),
          options(std::move(given)),
          sent{metrics.counter("millrace_network_buffers_out_total", "Network buffers sent."),
               metrics.counter("millrace_network_bytes_out_total", "Bytes of buffers sent.")},
          received{
              metrics.counter("millrace_network_buffers_in_total", "Network buffers received."),
              metrics.counter("millrace_network_bytes_in_total", "Bytes of buffers received.")},
          faults(its_clock, metrics, "data"),
          listener(owner) {}

    void adopt(std::unique_ptr<TcpStream> stream);
    std::shared_ptr<OutboundLink> link_to(const Address& receiver);
    void open_output(const std::shared_ptr<OutputState>& output, const Address& receiver);
    Status open_input(const std::shared_ptr<InputState>& input);
    void close_input(const std::shared_ptr<InputState>& input);
    void set_attempt(const JobId& job, Attempt attempt);
    void close(const Error& reason);

    // Constant after construction.
    EventLoop& loop;
    const Clock& clock;
    const DataPlane::Options options;

    DataCounters sent;
    DataCounters received;
    WireFaults faults;
    TcpListener listener;
    LeaderEpoch epoch{};

  private:
    [[nodiscard]] Hello hello() const;
    Result<Hello> greet(const Hello& theirs) const;
    Result<std::shared_ptr<InputState>> find_input(const ChannelOpen& open) const;
    [[nodiscard]] Status check_attempt(const ChannelKey& key) const;
    void forget_outbound(const OutboundLink* link);

  public:
    std::map<JobId, Attempt> attempts;

  private:
    std::map<ChannelKey, std::shared_ptr<InputState>> inputs_;
    std::set<std::shared_ptr<InboundLink>> inbound_;
    std::map<Address, std::shared_ptr<OutboundLink>> outbound_;
    std::set<std::shared_ptr<OutboundLink>>
        closing_;  // Without channels; their last frames go out.
};

Hello PlaneState::hello() const {
    return {.role = Role::kTaskManager,
            .leader_epoch = epoch,
            .cluster = options.cluster,
            .process_id = options.process_id};
}

Result<Hello> PlaneState::greet(const Hello& theirs) const {
    MILLRACE_TRY(check_hello(hello(), theirs));
    if (theirs.role != Role::kTaskManager) {
        return fail(Code::kInvalidArgument, "the data port is for TaskManagers only");
    }
    if (theirs.leader_epoch < epoch) {
        return fail(Code::kStale, "leader epoch {} is behind epoch {}",
                    std::to_underlying(theirs.leader_epoch), std::to_underlying(epoch));
    }
    return hello();
}

Status PlaneState::check_attempt(const ChannelKey& key) const {
    const auto it = attempts.find(key.job);
    if (it == attempts.end() || key.attempt >= it->second) return {};
    return fail(Code::kStale, "attempt {} is behind attempt {}", std::to_underlying(key.attempt),
                std::to_underlying(it->second));
}

Result<std::shared_ptr<InputState>> PlaneState::find_input(const ChannelOpen& open) const {
    if (open.epoch < epoch) {
        return fail(Code::kStale, "leader epoch {} is behind epoch {}",
                    std::to_underlying(open.epoch), std::to_underlying(epoch));
    }
    MILLRACE_TRY(check_attempt(open.key));
    const auto it = inputs_.find(open.key);
    if (it == inputs_.end()) return std::shared_ptr<InputState>();
    if (it->second->is_bound()) {
        return fail(Code::kAlreadyExists, "channel {} of job {} has a sender already",
                    open.key.channel, open.key.job.to_string());
    }
    return it->second;
}

void PlaneState::adopt(std::unique_ptr<TcpStream> stream) {
    if (inbound_.size() >= options.connections_max) {
        faults.record(WireFault::kTooManyPeers, stream->peer().to_string(),
                      fmt::format("more than {} connections", options.connections_max));
        return;
    }
    const auto made = std::make_shared<std::weak_ptr<InboundLink>>();
    auto link = std::make_shared<InboundLink>(InboundLink::Setup{
        .loop = loop,
        .faults = faults,
        .received = received,
        .channels_max = options.channels_per_connection_max,
        .pending_opens_max = options.pending_opens_max,
        .hello_deadline = options.connect_deadline,
        .open_deadline = options.open_deadline,
        .greet = [this](const Hello& theirs) { return greet(theirs); },
        .find_input = [this](const ChannelOpen& open) { return find_input(open); },
        .on_ended = [this, made] { inbound_.erase(made->lock()); },
    });
    *made = link;
    inbound_.insert(link);
    link->start(std::move(stream));
}

std::shared_ptr<OutboundLink> PlaneState::link_to(const Address& receiver) {
    const auto it = outbound_.find(receiver);
    if (it != outbound_.end()) return it->second;
    const auto made = std::make_shared<std::weak_ptr<OutboundLink>>();
    auto link = std::make_shared<OutboundLink>(OutboundLink::Setup{
        .loop = loop,
        .clock = clock,
        .faults = faults,
        .sent = sent,
        .self = hello(),
        .epoch = [this] { return epoch; },
        .peer = receiver,
        .deadline = options.connect_deadline,
        .channels_max = options.channels_per_connection_max,
        .on_idle =
            [this, made] {
                const auto self = made->lock();
                forget_outbound(self.get());
                closing_.insert(self);
            },
        .on_ended =
            [this, made] {
                const auto self = made->lock();
                forget_outbound(self.get());
                closing_.erase(self);
            },
    });
    *made = link;
    outbound_.emplace(receiver, link);
    link->start();
    return link;
}

void PlaneState::forget_outbound(const OutboundLink* link) {
    std::erase_if(outbound_, [link](const auto& entry) { return entry.second.get() == link; });
}

void PlaneState::open_output(const std::shared_ptr<OutputState>& output, const Address& receiver) {
    if (Status current = check_attempt(output->key); !current) {
        output->fail(std::move(current).error());
        return;
    }
    link_to(receiver)->add(output);
}

Status PlaneState::open_input(const std::shared_ptr<InputState>& input) {
    MILLRACE_TRY(check_attempt(input->key));
    if (inputs_.contains(input->key)) {
        return fail(Code::kAlreadyExists, "channel {} of job {} has a receiver already",
                    input->key.channel, input->key.job.to_string());
    }
    MILLRACE_TRY(input->start());
    inputs_.emplace(input->key, input);
    const auto all = inbound_;
    for (const auto& link : all) link->retry(input->key);
    return {};
}

void PlaneState::close_input(const std::shared_ptr<InputState>& input) {
    const auto it = inputs_.find(input->key);
    if (it != inputs_.end() && it->second == input) inputs_.erase(it);
}

void PlaneState::set_attempt(const JobId& job, Attempt attempt) {
    MILLRACE_CHECK_LT(attempts.size(), kJobsMax);
    Attempt& current = attempts[job];
    if (attempt <= current) return;
    current = attempt;
    const auto receiving = inbound_;
    for (const auto& link : receiving) link->fence(job, attempt);
    const auto sending = outbound_;
    for (const auto& [address, link] : sending) link->fence(job, attempt);
    // Those that no sender has opened yet.
    for (const auto& [key, input] : inputs_) {
        if (Status checked = check_attempt(key); !checked) {
            input->fail(std::move(checked).error());
        }
    }
}

void PlaneState::close(const Error& reason) {
    listener.stop();
    for (const auto& link : std::exchange(inbound_, {})) link->end(reason);
    for (const auto& [address, link] : std::exchange(outbound_, {})) link->end(reason);
    for (const auto& link : std::exchange(closing_, {})) link->end(reason);
    for (const auto& [key, input] : inputs_) input->fail(reason);
}

DataPlane::DataPlane(EventLoop& loop, const Clock& clock, metrics::MetricGroup& metrics,
                     Options options)
    : state_(std::make_shared<PlaneState>(loop, clock, metrics, std::move(options))) {}

DataPlane::~DataPlane() {
    state_->loop.call([this] { state_->close({Code::kCancelled, "the data plane is gone"}); });
}

Status DataPlane::listen(const Address& address) {
    Status status;
    state_->loop.call([&] {
        status = state_->listener.listen(
            address, state_->options.scope,
            [plane = state_.get()](auto stream) { plane->adopt(std::move(stream)); });
    });
    return status;
}

std::uint16_t DataPlane::port() const {
    std::uint16_t port = 0;
    state_->loop.call([&] { port = state_->listener.port(); });
    return port;
}

void DataPlane::set_leader_epoch(LeaderEpoch epoch) {
    state_->loop.call([&] { state_->epoch = std::max(state_->epoch, epoch); });
}

void DataPlane::set_attempt(const JobId& job, Attempt attempt) {
    state_->loop.call([&] { state_->set_attempt(job, attempt); });
}

void DataPlane::forget(const JobId& job) {
    state_->loop.call([&] { state_->attempts.erase(job); });
}

std::unique_ptr<RemoteOutput> DataPlane::open_output(const Address& receiver, const ChannelKey& key,
                                                     RemoteOutput::Options options) {
    auto output = std::make_shared<OutputState>(state_->loop, key, options);
    state_->loop.call([&] { state_->open_output(output, receiver); });
    return std::make_unique<RemoteOutput>(std::move(output));
}

Result<std::unique_ptr<RemoteGate>> DataPlane::open_gate(memory::NetworkBufferPool& pool,
                                                         RemoteGate::Options options) {
    auto gate = std::make_shared<GateState>(state_->loop, state_, pool, std::move(options));
    MILLRACE_TRY(gate->start());
    return std::make_unique<RemoteGate>(std::move(gate));
}

void DataPlane::close(const Error& reason) {
    state_->loop.call([&] { state_->close(reason); });
}

std::uint64_t DataPlane::fault_count(WireFault fault) const { return state_->faults.count(fault); }

Result<std::unique_ptr<RemoteInput>> RemoteGate::open_input(const ChannelKey& key) {
    auto input = std::make_shared<InputState>(state_, key);
    Status opened;
    state_->loop.call([&] {
        const auto plane = state_->plane.lock();
        MILLRACE_CHECK(plane != nullptr);
        opened = plane->open_input(input);
    });
    MILLRACE_TRY(std::move(opened));
    return std::make_unique<RemoteInput>(std::move(input));
}

RemoteInput::~RemoteInput() {
    state_->gate->loop.call([this] {
        if (const auto plane = state_->gate->plane.lock()) plane->close_input(state_);
        state_->close();
    });
    state_->drop_queue();
}

}  // namespace millrace::net
