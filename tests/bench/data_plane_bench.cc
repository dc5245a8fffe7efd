// Moves full network buffers between two data planes on loopback and prints what that costs.
//
//   data_plane_bench [CHANNELS]
//
// Both ends run in this process: two network threads, one thread that sends, one that receives.
// Five runs after a warm-up; the spread is printed, because loopback on a busy machine is noisy.
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <thread>
#include <vector>

#include "memory/network_buffer_pool.h"
#include "runtime/base/waker.h"
#include "runtime/net/data_plane.h"

namespace millrace::net {
namespace {

constexpr std::size_t kBufferBytes = 32U << 10;
constexpr int kBuffers = 16'000;
constexpr double kRowBytes = 250;

class Bell final : public Waker {
  public:
    void wake() noexcept override {
        rings_.fetch_add(1);
        rings_.notify_all();
    }
    [[nodiscard]] int rings() const { return rings_.load(); }
    void wait(int seen) const { rings_.wait(seen); }

  private:
    std::atomic<int> rings_{0};
};

struct Ends {
    Bell sender_bell;
    Bell receiver_bell;
    std::vector<std::unique_ptr<RemoteOutput>> outputs;
    std::vector<std::unique_ptr<RemoteInput>> inputs;
};

void send_all(Ends& ends, memory::LocalBufferPool& pool) {
    for (int left = kBuffers; left > 0;) {
        const int seen = ends.sender_bell.rings();
        bool is_moving = false;
        for (const auto& output : ends.outputs) {
            if (left == 0 || !output->can_send()) continue;
            auto buffer = pool.try_lend();
            if (!buffer) continue;
            buffer->set_size(kBufferBytes);
            is_moving = output->try_send(*buffer);
            --left;
        }
        if (!is_moving) ends.sender_bell.wait(seen);
    }
}

void receive_all(Ends& ends) {
    for (int left = kBuffers; left > 0;) {
        const int seen = ends.receiver_bell.rings();
        const int before = left;
        for (const auto& input : ends.inputs) {
            while (input->poll()) --left;
        }
        if (left == before) ends.receiver_bell.wait(seen);
    }
}

void run(std::uint64_t channels, bool is_printed) {
    const SystemClock clock;
    metrics::Registry registry;
    metrics::MetricGroup metrics(registry, {});
    EventLoopThread sending("net-out");
    EventLoopThread receiving("net-in");
    const auto pool =
        *memory::NetworkBufferPool::create({.buffers = 4096, .buffer_bytes = kBufferBytes});
    const auto out =
        *pool->create_pool("out", {.buffers_floor = 256, .buffers_ceiling = 256}, [] {});
    DataPlane from(sending.loop(), clock, metrics, {.cluster = "bench", .process_id = "out"});
    DataPlane to(receiving.loop(), clock, metrics, {.cluster = "bench", .process_id = "in"});
    if (!to.listen({"127.0.0.1", 0})) std::abort();
    const auto gate = *to.open_gate(*pool, {.name = "in"});
    Ends ends;
    for (std::uint64_t i = 0; i < channels; ++i) {
        const ChannelKey key{.job = {1, 1}, .attempt = Attempt{1}, .channel = i};
        ends.inputs.push_back(*gate->open_input(key));
        ends.inputs.back()->attach(ends.receiver_bell);
        ends.outputs.push_back(from.open_output({"127.0.0.1", to.port()}, key, {}));
        ends.outputs.back()->attach(ends.sender_bell);
    }
    const TimePoint begin = clock.now();
    const std::clock_t cpu_begin = std::clock();
    std::thread receiver([&] { receive_all(ends); });
    send_all(ends, *out);
    receiver.join();
    const double seconds = std::chrono::duration<double>(clock.now() - begin).count();
    const double cpu = static_cast<double>(std::clock() - cpu_begin) / CLOCKS_PER_SEC;
    if (is_printed) {
        std::printf("%.0f MB/s, %.1f us of CPU a buffer (both ends), %.3f us a row of %.0f bytes\n",
                    kBuffers * kBufferBytes / 1e6 / seconds, cpu * 1e6 / kBuffers,
                    cpu * 1e6 / kBuffers / (kBufferBytes / kRowBytes), kRowBytes);
    }
    ends.outputs.clear();
    ends.inputs.clear();
}

}  // namespace
}  // namespace millrace::net

int main(int argc, char** argv) {
    const std::uint64_t channels = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 4;
    for (int i = 0; i <= 5; ++i) millrace::net::run(channels, i > 0);
    return 0;
}
