#include "memory/system_memory.h"

#include <map>

#include <catch2/catch.hpp>

namespace millrace::memory {
namespace {

class FakeFiles final : public SystemFiles {
  public:
    explicit FakeFiles(std::map<std::string, std::string> files) : files_(std::move(files)) {}
    std::optional<std::string> read(const std::string& path) const override {
        const auto found = files_.find(path);
        return found == files_.end() ? std::nullopt : std::optional(found->second);
    }

  private:
    std::map<std::string, std::string> files_;
};

using Files = std::map<std::string, std::string>;

std::optional<std::uint64_t> limit_of(Files files) {
    return cgroup_limit_bytes(FakeFiles(std::move(files)));
}

}  // namespace

TEST_CASE("The cgroup limit is the smallest on the way to the root", "[memory][system_memory]") {
    Files files{{"/proc/self/cgroup", "0::/a/b\n"},
                {"/sys/fs/cgroup/a/b/memory.max", "max\n"},
                {"/sys/fs/cgroup/a/memory.max", "2147483648\n"},
                {"/sys/fs/cgroup/memory.max", "4294967296\n"}};
    CHECK(limit_of(files) == 2147483648);
    files["/sys/fs/cgroup/a/b/memory.max"] = "1073741824\n";
    CHECK(limit_of(files) == 1073741824);
}

TEST_CASE("The cgroup limit of a container stands at its root", "[memory][system_memory]") {
    CHECK(limit_of({{"/proc/self/cgroup", "0::/host/path\n"},
                    {"/sys/fs/cgroup/memory.max", "1073741824\n"}}) == 1073741824);
    CHECK(limit_of({{"/proc/self/cgroup", "0::/\n"},
                    {"/sys/fs/cgroup/memory.max", "1073741824\n"}}) == 1073741824);
}

TEST_CASE("The cgroup limit is read from version 1 too", "[memory][system_memory]") {
    Files files{{"/proc/self/cgroup", "5:cpu,cpuacct:/x\n3:memory:/docker/id\n0::/\n"},
                {"/sys/fs/cgroup/memory/docker/id/memory.limit_in_bytes", "536870912\n"}};
    CHECK(limit_of(files) == 536870912);
    files["/sys/fs/cgroup/memory/docker/id/memory.limit_in_bytes"] = "9223372036854771712\n";
    CHECK(limit_of(files) == std::nullopt);
}

TEST_CASE("No cgroup, no limit and nonsense are all no limit", "[memory][system_memory]") {
    CHECK(limit_of({}) == std::nullopt);
    CHECK(limit_of({{"/proc/self/cgroup", ""}}) == std::nullopt);
    CHECK(limit_of({{"/proc/self/cgroup", "nonsense\n::\n0::relative"}}) == std::nullopt);
    CHECK(limit_of({{"/proc/self/cgroup", "0::/\n"}, {"/sys/fs/cgroup/memory.max", "max\n"}}) ==
          std::nullopt);
}

TEST_CASE("The resident size is the second number of statm", "[memory][system_memory]") {
    const auto resident = [](const std::string& statm) {
        return resident_bytes(FakeFiles(Files{{"/proc/self/statm", statm}}));
    };
    CHECK(resident("1000 25 3 4 0 5 0\n") == 25 * 4096);
    CHECK(resident("1000") == std::nullopt);
    const auto own = resident_bytes(SystemFiles());
    REQUIRE(own);
    CHECK(*own > (1 << 20));
}

}  // namespace millrace::memory
