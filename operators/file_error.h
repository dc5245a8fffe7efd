// Says why the file system refused a file, or why we do.
//
// Threads:    any; file_error() reads errno, so it is called right after what failed.
// Failure:    none.

#pragma once

#include <expected>
#include <string>
#include <string_view>

#include <sys/stat.h>

#include "runtime/base/status.h"

namespace millrace::operators {

// "cannot `what` file `path`: ..." for errno. kNotFound, kPermissionDenied; kInvalidArgument when
// the path can name no file, so that a job is not tried again; kUnavailable for the rest.
std::unexpected<Error> file_error(std::string_view what, const std::string& path);

// Errors: kInvalidArgument unless `found` is a regular file, for a folder has no lines, and a named
// pipe or a device may keep its reader waiting for ever; with `hint`.
Status check_regular(const struct stat& found, std::string_view what, const std::string& path,
                     std::string_view hint);

}  // namespace millrace::operators
