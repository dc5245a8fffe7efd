// Phase 5 for jobs that came over the network: what a server lets a stranger's job name.
//
// A submitted job is untrusted: it cannot make the server connect to hosts, read or write files, or
// load code that the operator did not allow. The facts are handed in, so that this is pure but for
// resolving links. Opening a file must still refuse links that lead out: they may have changed.
//
// Threads:    any.
// Failure:    diagnostics E100 to E109, for all that is refused at once.

#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "runtime/config/diagnostic.h"
#include "runtime/jobfile/places.h"

namespace millrace::proto {
class Job;
}

namespace millrace::jobfile {

struct SubmitRules {
    bool inline_kafka_allowed = false;               // --allow-inline-kafka
    std::vector<std::string> clusters = {};          // kafka.clusters.NAME of the server
    std::vector<std::string> file_roots = {};        // --file-root; none: no files at all
    std::vector<std::string> socket_addresses = {};  // --socket-address
    // Resolves links and `..` of a path that may not exist; replaced in tests.
    std::function<std::string(const std::string&)> resolve_path = {};
};

// REQUIRES: the job was validated.
[[nodiscard]] std::vector<config::Diagnostic> check_submitted(const proto::Job& job,
                                                              const Places& places,
                                                              const SubmitRules& rules);

}  // namespace millrace::jobfile
