#include "operators/file_error.h"

#include <cerrno>
#include <cstring>

namespace millrace::operators {
namespace {

Code code_of(int error) {
    if (error == ENOENT) return Code::kNotFound;
    if (error == EACCES || error == EPERM) return Code::kPermissionDenied;
    if (error == EISDIR || error == ENOTDIR || error == ENAMETOOLONG) return Code::kInvalidArgument;
    if (error == ENXIO || error == ENODEV) return Code::kInvalidArgument;  // A socket, no device.
    return Code::kUnavailable;
}

std::string_view kind_of(mode_t mode) {
    if (S_ISDIR(mode)) return "a folder";
    if (S_ISFIFO(mode)) return "a named pipe";
    if (S_ISSOCK(mode)) return "a socket";
    return "a device";
}

}  // namespace

std::unexpected<Error> file_error(std::string_view what, const std::string& path) {
    const int error = errno;
    return fail(code_of(error), "cannot {} file {}: {}", what, path, std::strerror(error));
}

Status check_regular(const struct stat& found, std::string_view what, const std::string& path,
                     std::string_view hint) {
    if (S_ISREG(found.st_mode)) return {};
    return fail(Code::kInvalidArgument, "cannot {} file {}: it is {}, not a regular file. Hint: {}",
                what, path, kind_of(found.st_mode), hint);
}

}  // namespace millrace::operators
