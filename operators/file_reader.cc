#include "operators/file_reader.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "operators/file_error.h"

namespace millrace::operators {

struct FileReader::Inflater {
    z_stream stream{};
    bool in_member = false;  // Bytes of a member were inflated and its end was not.
    bool input_ended = false;

    ~Inflater() { ::inflateEnd(&stream); }
};

FileReader::FileReader(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}

FileReader::~FileReader() { ::close(fd_); }

Result<std::unique_ptr<FileReader>> FileReader::open(const std::string& path) {
    // The opening of a named pipe that nobody writes to would wait; a regular file never waits.
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) return file_error("read", path);
    std::unique_ptr<FileReader> reader(new FileReader(path, fd));
    struct stat found{};
    if (::fstat(fd, &found) != 0) return file_error("read", path);
    MILLRACE_TRY(check_regular(found, "read", path,
                               "a `file` source reads a regular file once to its end; what goes on "
                               "comes from a `socket` or `kafka` source"));
    std::array<unsigned char, 2> magic{};
    const ssize_t got = ::pread(fd, magic.data(), magic.size(), 0);
    if (got < 0) return file_error("read", path);
    ::posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    if (got == 2 && magic[0] == 0x1f && magic[1] == 0x8b) {
        constexpr int kGzipOnly = 16 + MAX_WBITS;
        reader->inflater_ = std::make_unique<Inflater>();
        reader->input_.resize(kInputBytes);
        if (::inflateInit2(&reader->inflater_->stream, kGzipOnly) != Z_OK)
            return fail(Code::kResourceExhausted, "no memory to inflate file {}", path);
    }
    return reader;
}

Result<std::size_t> FileReader::read(std::span<char> into) {
    MILLRACE_TRY_ASSIGN(const std::size_t got, is_gzip() ? inflate_into(into) : read_file(into));
    offset_ += got;
    return got;
}

Result<std::size_t> FileReader::read_file(std::span<char> into) {
    while (true) {
        const ssize_t got = ::read(fd_, into.data(), into.size());
        if (got >= 0) return static_cast<std::size_t>(got);
        if (errno != EINTR) return file_error("read", path_);
    }
}

Status FileReader::refill() {
    z_stream& stream = inflater_->stream;
    if (stream.avail_in > 0 || inflater_->input_ended) return {};
    MILLRACE_TRY_ASSIGN(const std::size_t got, read_file(input_));
    inflater_->input_ended = got == 0;
    stream.next_in = reinterpret_cast<Bytef*>(input_.data());
    stream.avail_in = static_cast<uInt>(got);
    return {};
}

Result<std::size_t> FileReader::inflate_into(std::span<char> into) {
    z_stream& stream = inflater_->stream;
    stream.next_out = reinterpret_cast<Bytef*>(into.data());
    stream.avail_out = static_cast<uInt>(into.size());
    while (stream.avail_out == into.size()) {
        MILLRACE_TRY(refill());
        if (stream.avail_in == 0 && inflater_->input_ended) {
            if (!inflater_->in_member) return 0;
            return fail(Code::kCorruption,
                        "file {} ends inside its gzip data, after byte {}. Hint: if it is still "
                        "being copied, copy it under another name and rename it then",
                        path_, offset_);
        }
        inflater_->in_member = true;
        const int result = ::inflate(&stream, Z_NO_FLUSH);
        if (result == Z_STREAM_END) {
            inflater_->in_member = false;
            ::inflateReset(&stream);
        } else if (result != Z_OK && result != Z_BUF_ERROR) {
            return fail(Code::kCorruption, "file {} has damaged gzip data after byte {}: {}", path_,
                        offset_, stream.msg == nullptr ? "unknown" : stream.msg);
        }
    }
    return into.size() - stream.avail_out;
}

Result<bool> FileReader::skip_to(std::uint64_t offset, std::size_t budget) {
    if (!is_gzip()) {
        if (::lseek(fd_, static_cast<off_t>(offset), SEEK_SET) < 0)
            return file_error("seek in", path_);
        offset_ = offset;
        return true;
    }
    std::array<char, 16384> scratch;
    for (std::size_t done = 0; done < budget && offset_ < offset;) {
        const auto most = std::min<std::uint64_t>(scratch.size(), offset - offset_);
        MILLRACE_TRY_ASSIGN(const std::size_t got,
                            read(std::span(scratch).first(static_cast<std::size_t>(most))));
        if (got == 0)
            return fail(Code::kCorruption,
                        "file {} is shorter than when it was read: {} bytes, not {}", path_,
                        offset_, offset);
        done += got;
    }
    return offset_ == offset;
}

}  // namespace millrace::operators
