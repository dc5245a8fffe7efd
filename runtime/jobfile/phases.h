// The phases of validation after the message is read. Private to this folder; validate.h runs them.
//
// Threads:    one.
// Failure:    diagnostics; each phase reports all it finds in what the ones before it found sound.

#pragma once

#include <map>
#include <string>
#include <vector>

#include "runtime/jobfile/complaints.h"
#include "runtime/jobfile/expression_checker.h"
#include "runtime/jobfile/job_names.h"

namespace millrace::jobfile {

// The schemas of sources without one, by source: fields in the order of their first use.
using UsedFields = std::map<std::string, std::vector<ShapeField>>;

// Phase 3: everything that is named exists, everything that exists is read, no cycle (E040 to E048,
// E054 and on); warnings for what is never used.
void check_references(const JobNames& names, Complaints& complaints);

// Phase 3: fields exist and have fitting types (E050 to E055). Returns what sources without schema
// are read for. `is_whole`: nothing was found so far, so that what no step uses is used nowhere.
[[nodiscard]] UsedFields check_fields(const JobNames& names, const ExpressionChecker* expressions,
                                      bool is_whole, Complaints& complaints);

// Phase 4: what is written makes sense together (E070 to E099).
void check_meaning(const JobNames& names, Complaints& complaints);

// Fills in every default that is a constant. Runs right after reading.
void apply_constant_defaults(proto::Job& job);

// Fills in the defaults that depend on other keys. REQUIRES: phases 3 and 4 found nothing.
void apply_derived_defaults(proto::Job& job, const UsedFields& used);

}  // namespace millrace::jobfile
