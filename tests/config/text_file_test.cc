#include "runtime/config/text_file.h"

#include <filesystem>

#include <catch2/catch.hpp>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/temp_dir.h"

namespace millrace::config {
namespace {

// As another user while it lives, since root may read everything.
class Unprivileged {
  public:
    Unprivileged() {
        if (::geteuid() == 0) is_switched_ = ::seteuid(kNobody) == 0;
    }
    Unprivileged(const Unprivileged&) = delete;
    Unprivileged& operator=(const Unprivileged&) = delete;
    ~Unprivileged() {
        if (is_switched_ && ::seteuid(0) != 0) std::abort();
    }

  private:
    static constexpr uid_t kNobody = 65534;
    bool is_switched_ = false;
};

TEST_CASE("A text file is read whole, byte for byte", "[config][text_file]") {
    const support::TempDir folder;
    const std::string text =
        GENERATE(as<std::string>(), "a: 1\r\n\n# end", "\n", std::string("a\0b", 3), "");
    const auto read = read_text_file(folder.write("a.yaml", text).string());
    REQUIRE(read);
    REQUIRE(*read == text);
}

TEST_CASE("A text file that is missing is a wrong option", "[config][text_file]") {
    const auto read = read_text_file("/nowhere/a.yaml");
    REQUIRE(read.error().code == Code::kInvalidOption);
    REQUIRE(read.error().message == "No such file or directory");
}

TEST_CASE("A folder is no text file", "[config][text_file]") {
    const support::TempDir folder;
    const auto read = read_text_file(folder.path().string());
    REQUIRE(read.error().code == Code::kInvalidOption);
    REQUIRE(read.error().message == "Is a directory");
}

TEST_CASE("A text file of somebody else is told apart from one that is wrong",
          "[config][text_file]") {
    const support::TempDir folder;
    std::filesystem::permissions(folder.path(), std::filesystem::perms::all);
    const std::string path = folder.write("a.yaml", "a: 1\n").string();
    std::filesystem::permissions(path, std::filesystem::perms::none);
    const Unprivileged as_nobody;
    const auto read = read_text_file(path);
    REQUIRE_FALSE(read);
    REQUIRE(read.error().code == Code::kPermissionDenied);
    REQUIRE(read.error().message == "Permission denied");
}

TEST_CASE("Of a file that is longer than a YAML text may be comes one byte more than that",
          "[config][text_file]") {
    const support::TempDir folder;
    const auto read_of = [&](std::size_t bytes) {
        return read_text_file(folder.write("a.yaml", std::string(bytes, '#')).string());
    };
    REQUIRE(read_of(1'048'576)->size() == 1'048'576);
    REQUIRE(read_of(1'048'577)->size() == 1'048'577);
    REQUIRE(read_of(2'000'000)->size() == 1'048'577);
}

TEST_CASE("A text that comes through a pipe is bounded, too", "[config][text_file]") {
    REQUIRE(read_text_file("/dev/null")->empty());
    // Endless.
    REQUIRE(read_text_file("/dev/zero")->size() == 1'048'577);
}

}  // namespace
}  // namespace millrace::config
