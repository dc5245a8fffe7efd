// Reads the bytes of a file from front to back, plain or gzip, told apart by the first two bytes.
//
// A gzip file may have several members, as `cat a.gz b.gz` makes. Reading a local file does not
// count as blocking: the kernel reads ahead.
//
// Threads:    one.
// Ownership:  owns the descriptor and the inflater.
// Limits:     kInputBytes of compressed bytes at a time.
// Failure:    kNotFound, kPermissionDenied, kInvalidArgument (no regular file: a folder, a named
//             pipe, a device), kCorruption (gzip), kUnavailable (I/O); with the path.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "runtime/base/status.h"

namespace millrace::operators {

class FileReader {
  public:
    static constexpr std::size_t kInputBytes = std::size_t{64} << 10;

    static Result<std::unique_ptr<FileReader>> open(const std::string& path);
    FileReader(const FileReader&) = delete;
    FileReader& operator=(const FileReader&) = delete;
    ~FileReader();

    // Fills `into` from the front; 0 = end of the file.
    Result<std::size_t> read(std::span<char> into);
    // Goes forward to byte `offset` of the (inflated) content. A compressed file has to be inflated
    // up to there: at most `budget` bytes a call. True when it is there.
    Result<bool> skip_to(std::uint64_t offset, std::size_t budget);

    [[nodiscard]] bool is_gzip() const { return inflater_ != nullptr; }

  private:
    struct Inflater;

    FileReader(std::string path, int fd);
    Result<std::size_t> read_file(std::span<char> into);
    Result<std::size_t> inflate_into(std::span<char> into);
    Status refill();

    const std::string path_;
    const int fd_;
    std::uint64_t offset_ = 0;  // In the content.
    std::unique_ptr<Inflater> inflater_;
    std::vector<char> input_;  // Compressed bytes.
};

}  // namespace millrace::operators
