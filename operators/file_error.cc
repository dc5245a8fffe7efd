#include "operators/file_error.h"

#include <cerrno>
#include <cstring>

namespace millrace::operators {
namespace {

Code code_of(int error) {
    if (error == ENOENT) return Code::kNotFound;
    if (error == EACCES || error == EPERM) return Code::kPermissionDenied;
    if (error == EISDIR || error == ENOTDIR || error == ENAMETOOLONG) return Code::kInvalidArgument;
    return Code::kUnavailable;
}

}  // namespace

std::unexpected<Error> file_error(std::string_view what, const std::string& path) {
    const int error = errno;
    return fail(code_of(error), "cannot {} file {}: {}", what, path, std::strerror(error));
}

}  // namespace millrace::operators
