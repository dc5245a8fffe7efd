#include "runtime/task/split_edge.h"

#include <utility>

namespace millrace::task {
namespace {

class SplitEdge final : public OutputEdge {
  public:
    SplitEdge(const std::vector<OutputChannel*>& channels, std::uint32_t subtask)
        : OutputEdge(channels), lane_(subtask % channels.size()) {}

  private:
    Status do_place(data::BatchPtr batch, TimePoint) override {
        lanes()[lane_].channel->push(std::move(batch));
        return {};
    }
    bool has_window() override { return lanes()[lane_].channel->has_room(); }

    const std::size_t lane_;
};

}  // namespace

std::unique_ptr<OutputEdge> make_split_edge(const std::vector<OutputChannel*>& channels,
                                            std::uint32_t subtask) {
    return std::make_unique<SplitEdge>(channels, subtask);
}

}  // namespace millrace::task
