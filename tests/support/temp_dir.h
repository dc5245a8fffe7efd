// A folder of its own for one test case, removed with all that is in it at the end.
//
// Threads:    one owner.
// Ownership:  owns the folder. With MILLRACE_KEEP_TEMP set it stays, and its path is printed.
// Failure:    a case cannot go on without it, so the constructor aborts.

#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace millrace::support {

class TempDir {
  public:
    // Creates a folder below $TMPDIR, or /tmp.
    TempDir();
    TempDir(const TempDir&) = delete;
    TempDir& operator=(const TempDir&) = delete;
    ~TempDir();

    [[nodiscard]] const std::filesystem::path& path() const { return path_; }
    [[nodiscard]] std::filesystem::path operator/(std::string_view name) const {
        return path_ / name;
    }
    // Writes `text` to the file `name` in the folder and returns its path.
    std::filesystem::path write(std::string_view name, std::string_view text) const;

  private:
    std::filesystem::path path_;
};

// The whole file; empty when there is none.
[[nodiscard]] std::string read_file(const std::filesystem::path& path);

}  // namespace millrace::support
