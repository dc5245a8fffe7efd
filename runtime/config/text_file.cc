#include "runtime/config/text_file.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

namespace millrace::config {
namespace {

struct Closer {
    void operator()(std::FILE* file) const { std::fclose(file); }
};

std::unexpected<Error> unreadable(int cause) {
    const bool is_forbidden = cause == EACCES || cause == EPERM;
    return fail(is_forbidden ? Code::kPermissionDenied : Code::kInvalidOption, "{}",
                std::strerror(cause));
}

}  // namespace

Result<std::string> read_text_file(const std::string& path) {
    const std::unique_ptr<std::FILE, Closer> file(std::fopen(path.c_str(), "rbe"));
    if (file == nullptr) return unreadable(errno);
    std::string text(kTextFileBytesMax + 1, '\0');
    const std::size_t got = std::fread(text.data(), 1, text.size(), file.get());
    if (std::ferror(file.get()) != 0) return unreadable(errno);
    text.resize(got);
    return text;
}

}  // namespace millrace::config
