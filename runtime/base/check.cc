#include "runtime/base/check.h"

#include <cstdio>
#include <cstdlib>

namespace millrace::internal {

void check_failed(std::string_view expression, std::string_view values,
                  std::source_location where) {
    std::fprintf(stderr, "%s:%u: check failed: %.*s%s%.*s\n", where.file_name(), where.line(),
                 static_cast<int>(expression.size()), expression.data(), values.empty() ? "" : ": ",
                 static_cast<int>(values.size()), values.data());
    std::abort();
}

}  // namespace millrace::internal
