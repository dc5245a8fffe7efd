// Knows which parts of a job file could not be read, so that the phases after reading check the
// rest and make no noise about what is not there. Private to this folder.
//
// Threads:    immutable after construction.
// Ownership:  borrows `places`.
// Failure:    none.

#pragma once

#include <initializer_list>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/config/diagnostic.h"
#include "runtime/jobfile/places.h"

namespace millrace::jobfile {

class Damage {
  public:
    // Of the errors that reading the file gave.
    Damage(const std::vector<config::Diagnostic>& errors, const Places& places);

    [[nodiscard]] bool none() const { return paths_.empty(); }
    // This very value, or the section that it names.
    [[nodiscard]] bool is_at(const std::string& path) const { return paths_.contains(path); }
    // `path` or something in it.
    [[nodiscard]] bool is_in(const std::string& path) const { return is_in(path, {}); }
    // The same, but for these keys of it.
    [[nodiscard]] bool is_in(const std::string& path,
                             std::initializer_list<std::string_view> besides) const;
    // The key is not there, and one beside it could not be read: it was probably meant.
    [[nodiscard]] bool has_lost(const std::string& path) const;
    // `section` is not there, or not as it should be: it may have held anything.
    [[nodiscard]] bool may_hide_all(const std::string& section) const {
        return is_at(section) || has_lost(section);
    }
    // An entry of this name may have been declared in `section`.
    [[nodiscard]] bool may_hide(const std::string& section, std::string_view name) const;

  private:
    const Places& places_;
    std::set<std::string, std::less<>> paths_;
};

}  // namespace millrace::jobfile
