// Finds and reads the project's reference data sets, which are not part of the repository.
//
// They lie in $MILLRACE_DATA, else in ../shared/data beside the source tree. A case that needs one
// that is absent calls skip_case() and returns; a program whose every case was skipped ends with
// status 77, which CTest reports as skipped.
//
// Threads:    one.

#pragma once

#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <catch2/catch.hpp>
#include <zlib.h>

namespace millrace::testing {

// The names of the cases that were skipped.
inline std::set<std::string>& skipped_cases() {
    static std::set<std::string> cases;
    return cases;
}

inline void skip_case(std::string_view reason) {
    skipped_cases().insert(Catch::getResultCapture().getCurrentTestName());
    std::cout << "skipped: " << reason << std::endl;
}

inline std::filesystem::path data_folder() {
    const char* given = std::getenv("MILLRACE_DATA");
    if (given != nullptr) return given;
    return std::filesystem::path(MILLRACE_SOURCE_DIR) / ".." / "shared" / "data";
}

// The lines of a file, plain or gzip; nullopt if it is absent, after skip_case().
inline std::optional<std::vector<std::string>> data_lines(const std::string& name) {
    const std::filesystem::path path = data_folder() / name;
    gzFile file = std::filesystem::exists(path) ? gzopen(path.c_str(), "rb") : nullptr;
    if (file == nullptr) {
        skip_case(path.string() + " is absent. Hint: set MILLRACE_DATA");
        return std::nullopt;
    }
    std::string text;
    std::vector<char> chunk(1 << 16);
    for (int got = 0;
         (got = gzread(file, chunk.data(), static_cast<unsigned>(chunk.size()))) > 0;) {
        text.append(chunk.data(), static_cast<std::size_t>(got));
    }
    gzclose(file);
    std::vector<std::string> lines;
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = std::min(text.find('\n', at), text.size());
        lines.push_back(text.substr(at, end - at));
        at = end + 1;
    }
    return lines;
}

// The parts of a line between separators; empty parts stay.
inline std::vector<std::string> split(const std::string& line, char separator) {
    std::vector<std::string> parts(1);
    for (const char c : line) {
        if (c == separator) {
            parts.emplace_back();
        } else {
            parts.back() += c;
        }
    }
    return parts;
}

}  // namespace millrace::testing
