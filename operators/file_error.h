// Says why the file system refused a file.
//
// Threads:    any; reads errno, so it is called right after what failed.
// Failure:    none.

#pragma once

#include <expected>
#include <string>
#include <string_view>

#include "runtime/base/status.h"

namespace millrace::operators {

// "cannot `what` file `path`: ..." for errno. kNotFound, kPermissionDenied; kInvalidArgument when
// the path can name no file, so that a job is not tried again; kUnavailable for the rest.
std::unexpected<Error> file_error(std::string_view what, const std::string& path);

}  // namespace millrace::operators
