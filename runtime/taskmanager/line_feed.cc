#include "runtime/taskmanager/line_feed.h"

#include <utility>

#include "runtime/net/tcp_feed.h"

namespace millrace::taskmanager {
namespace {

class LineFeed final : public operators::LineConnection {
  public:
    LineFeed(net::EventLoop& loop, const net::Address& address, std::function<void()> ring)
        : feed_(loop, address, kConnectMax, std::move(ring)) {}

    Result<std::size_t> read(std::span<char> into) override {
        return feed_.read(std::as_writable_bytes(into));
    }
    [[nodiscard]] bool is_connected() const override { return feed_.is_connected(); }

  private:
    net::TcpFeed feed_;
};

}  // namespace

operators::LineConnector line_connector(net::EventLoop& network) {
    return [&network](
               const std::string& address,
               std::function<void()> ring) -> Result<std::unique_ptr<operators::LineConnection>> {
        MILLRACE_TRY_ASSIGN(const net::Address parsed, net::parse_address(address));
        return std::make_unique<LineFeed>(network, parsed, std::move(ring));
    };
}

}  // namespace millrace::taskmanager
