// Reads a YAML tree into a message: one walk over the message's descriptor, no key known here.
//
// A mapping's keys are looked up among the fields; `type` selects the arm of the oneof `kind`, and
// the arm's keys stand beside the common ones. An unknown key is guessed, and the guess keeps the
// missing key from being reported as well: one typo, one error. All errors of the tree come at
// once.
//
// Threads:    values, no shared state.
// Limits:     those of the tree.
// Failure:    diagnostics E010 to E038; the message is then incomplete.

#pragma once

#include <vector>

#include "runtime/config/yaml_tree.h"
#include "runtime/jobfile/places.h"

namespace google::protobuf {
class Message;
}

namespace millrace::jobfile {

// Reads `root` into `message`, which is empty, and notes in `places` what was written where.
[[nodiscard]] std::vector<config::Diagnostic> read_sections(const config::YamlNode& root,
                                                            google::protobuf::Message& message,
                                                            Places& places);

}  // namespace millrace::jobfile
