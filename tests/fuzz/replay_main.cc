// Runs a fuzz target over the files of its corpus, and over every file cut at a few places and with
// a few bytes changed: what a build without libFuzzer can check.

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

constexpr std::size_t kChangesPerFile = 8;

void run(const std::string& text) {
    LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(text.data()), text.size());
}

void run_file(const std::filesystem::path& path) {
    std::ifstream in(path, std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
    run(text);
    for (std::size_t i = 1; i <= kChangesPerFile && !text.empty(); ++i) {
        const std::size_t place = text.size() * i / (kChangesPerFile + 1);
        run(text.substr(0, place));
        std::string changed = text;
        changed[place] = static_cast<char>(changed[place] ^ static_cast<char>(1 << (i % 8)));
        run(changed);
    }
}

}  // namespace

int main(int count, char** arguments) {
    std::size_t files = 0;
    for (int i = 1; i < count; ++i) {
        std::vector<std::filesystem::path> paths;
        for (const auto& entry : std::filesystem::directory_iterator(arguments[i])) {
            if (entry.is_regular_file()) {
                paths.push_back(entry.path());
            }
        }
        std::ranges::sort(paths);
        for (const std::filesystem::path& path : paths) {
            run_file(path);
            ++files;
        }
    }
    std::printf("%zu files replayed\n", files);
    return files == 0 ? 1 : 0;
}
