// What `run` and `demo` show while a job runs: one table on a terminal, plain lines elsewhere.
//
// Threads:    the control thread.
// Ownership:  borrows the JobManager's entry for each call.
// Failure:    a terminal that goes away is ignored.

#pragma once

#include <cstdint>
#include <string>

#include "runtime/base/clock.h"
#include "runtime/jobmanager/jobmanager.h"

namespace millrace::process {

class LiveTable {
  public:
    // Draws over its own lines on a terminal, unless somebody else prints there to standard output.
    LiveTable(const Clock& clock, bool is_stdout_used);

    // Draws the job's progress; to be called about once a second.
    void draw(const jobmanager::JobEntry& entry);
    // Prints a line that stays, above the table.
    void announce(const std::string& line);
    // Prints the last figures as plain lines, with the mean rate of the whole run.
    void finish(const jobmanager::JobEntry& entry);

  private:
    void erase();
    [[nodiscard]] std::string text_of(const jobmanager::JobEntry& entry);

    const Clock& clock_;
    const bool is_terminal_;
    TimePoint began_;
    TimePoint drawn_at_;
    std::uint64_t rows_drawn_ = 0;  // At drawn_at_.
    int lines_drawn_ = 0;
    int draws_ = 0;
};

}  // namespace millrace::process
