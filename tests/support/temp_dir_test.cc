#include "tests/support/temp_dir.h"

#include <catch2/catch.hpp>

namespace millrace::support {

TEST_CASE("TempDir removes all that is in it", "[support]") {
    std::filesystem::path path;
    {
        const TempDir folder;
        path = folder.path();
        REQUIRE(read_file(folder.write("a.txt", "one\ntwo")) == "one\ntwo");
        std::filesystem::create_directories(folder / "deep/down");
        REQUIRE(std::filesystem::is_directory(path));
    }
    REQUIRE_FALSE(std::filesystem::exists(path));
}

TEST_CASE("read_file answers nothing for a file that is not there", "[support]") {
    const TempDir folder;
    REQUIRE(read_file(folder / "absent").empty());
}

}  // namespace millrace::support
