// Keeps where in the user's files each value of a job was written, by its path.
//
// Phases that work on the message, and errors that a server sends back, find their line here. A
// path that was not written (a default) has no place of its own; asking for its mark gives that of
// the nearest section around it.
//
// Threads:    values, no shared state.
// Failure:    none; an unknown place is Mark{} with line 0.

#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "runtime/config/diagnostic.h"

namespace millrace::jobfile {

class Places {
  public:
    // Notes where `path` was written: its key, and its value.
    void add(std::string path, config::Mark key, config::Mark value);

    // True when the user wrote a value for this path; false for defaults.
    [[nodiscard]] bool is_written(std::string_view path) const;
    // The value's mark, else that of the key of the nearest section that was written.
    [[nodiscard]] config::Mark value_of(std::string_view path) const;
    // The key's mark, else that of the nearest section that was written.
    [[nodiscard]] config::Mark key_of(std::string_view path) const;

  private:
    struct Place {
        config::Mark key;
        config::Mark value;
    };
    [[nodiscard]] config::Mark around(std::string_view path) const;

    std::map<std::string, Place, std::less<>> places_;
};

}  // namespace millrace::jobfile
