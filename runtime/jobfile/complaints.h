// Collects what the phases after reading find wrong, each at its place. Private to this folder.
//
// Threads:    one.
// Ownership:  borrows `places`, `damage` and `diagnostics`.
// Failure:    none; an equal complaint at an equal path is taken once, and none about a value that
//             could not be read.

#pragma once

#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/config/diagnostic.h"
#include "runtime/jobfile/damage.h"
#include "runtime/jobfile/places.h"

namespace millrace::jobfile {

class Complaints {
  public:
    Complaints(const Places& places, const Damage& damage,
               std::vector<config::Diagnostic>& diagnostics)
        : places_(places), damage_(damage), diagnostics_(diagnostics) {}

    // About the value at `path`, or about its key.
    void value(std::string_view code, const std::string& path, std::string message,
               std::string fix = "") {
        if (damage_.is_at(path)) return;
        add(code, config::Severity::kError, places_.value_of(path), path, std::move(message),
            std::move(fix));
    }
    void key(std::string_view code, const std::string& path, std::string message,
             std::string fix = "") {
        add(code, config::Severity::kError, places_.key_of(path), path, std::move(message),
            std::move(fix));
    }
    void warn(std::string_view code, const std::string& path, std::string message,
              std::string fix = "") {
        add(code, config::Severity::kWarning, places_.key_of(path), path, std::move(message),
            std::move(fix));
    }
    // About a place inside the value at `path`.
    void inside(std::string_view code, const std::string& path, config::Mark mark,
                std::string message, std::string fix) {
        add(code, config::Severity::kError, mark, path, std::move(message), std::move(fix));
    }

    [[nodiscard]] const Places& places() const { return places_; }
    [[nodiscard]] const Damage& damage() const { return damage_; }

  private:
    void add(std::string_view code, config::Severity severity, config::Mark mark,
             const std::string& path, std::string message, std::string fix) {
        if (seen_.emplace(path, message).second) {
            diagnostics_.push_back(
                {std::string(code), severity, mark, path, std::move(message), std::move(fix)});
        }
    }

    const Places& places_;
    const Damage& damage_;
    std::vector<config::Diagnostic>& diagnostics_;
    std::set<std::pair<std::string, std::string>> seen_;
};

}  // namespace millrace::jobfile
