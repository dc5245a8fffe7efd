// What `millrace describe` prints of a job's progress.
//
// Threads:    any.
// Limits:     the answer's; a column is as wide as its longest entry.
// Failure:    none; what the answer lacks is left out.

#pragma once

#include <string>

#include <boost/json.hpp>

namespace millrace::cli {

// `progress` is the answer to GET /jobs/:job/progress.
[[nodiscard]] std::string progress_text(const boost::json::value& progress);

}  // namespace millrace::cli
