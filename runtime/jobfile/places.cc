#include "runtime/jobfile/places.h"

#include <utility>

namespace millrace::jobfile {

void Places::add(std::string path, config::Mark key, config::Mark value) {
    places_.insert_or_assign(std::move(path), Place{key, value});
}

bool Places::is_written(std::string_view path) const { return places_.find(path) != places_.end(); }

config::Mark Places::value_of(std::string_view path) const {
    const auto found = places_.find(path);
    return found != places_.end() ? found->second.value : around(path);
}

config::Mark Places::key_of(std::string_view path) const {
    const auto found = places_.find(path);
    return found != places_.end() ? found->second.key : around(path);
}

config::Mark Places::around(std::string_view path) const {
    while (!path.empty()) {
        const std::size_t end = path.find_last_of(".[");
        path = end == std::string_view::npos ? std::string_view() : path.substr(0, end);
        const auto found = places_.find(path);
        if (found != places_.end()) {
            return found->second.key;
        }
    }
    return {};
}

}  // namespace millrace::jobfile
