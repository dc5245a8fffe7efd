#include "tests/support/free_port.h"

#include <set>

#include <catch2/catch.hpp>

#include "tests/support/eventually.h"
#include "tests/support/process.h"
#include "tests/support/temp_dir.h"

namespace millrace::support {

TEST_CASE("free_port answers different ports, none of which answers", "[support]") {
    std::set<std::uint16_t> ports;
    for (int i = 0; i < 50; ++i) {
        const std::uint16_t port = free_port();
        REQUIRE(port >= 10000);
        REQUIRE(port < 20000);
        REQUIRE_FALSE(port_answers(port));
        REQUIRE(ports.insert(port).second);
    }
}

TEST_CASE("port_answers sees a server of another process", "[support]") {
    const TempDir folder;
    const std::uint16_t port = free_port();
    const Command command{
        .argv = {"python3", "-m", "http.server", std::to_string(port), "--bind", "127.0.0.1"},
        .working_folder = folder.path(),
        .name = "server",
    };
    const auto server = Process::start(command, folder.path());
    REQUIRE(server);
    REQUIRE(eventually([&] { return port_answers(port); }));
}

}  // namespace millrace::support
