// Prints a job as a job file: the long form of everything, after layers, variables and defaults.
//
// Reading the text again gives an equal job, unless a secret was hidden. Values that nobody wrote
// are marked `# default`.
//
// Threads:    any.
// Failure:    none.

#pragma once

#include <string>

#include "runtime/jobfile/places.h"

namespace millrace::proto {
class Job;
}

namespace millrace::jobfile {

[[nodiscard]] std::string render(const proto::Job& job, const Places& places);

}  // namespace millrace::jobfile
