#include "runtime/base/log.h"

#include <memory>
#include <string>

#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

namespace millrace::log {
namespace {

constexpr std::size_t kLineBytesMax = 8192;

spdlog::level::level_enum native(Level level) {
    switch (level) {
        case Level::kTrace:
            return spdlog::level::trace;
        case Level::kDebug:
            return spdlog::level::debug;
        case Level::kInfo:
            return spdlog::level::info;
        case Level::kWarn:
            return spdlog::level::warn;
        case Level::kError:
            return spdlog::level::err;
        case Level::kOff:
            return spdlog::level::off;
    }
    return spdlog::level::off;
}

struct Sink {
    std::shared_ptr<spdlog::logger> logger;
    Format format = Format::kText;

    Sink()
        : logger(std::make_shared<spdlog::logger>(
              "millrace", std::make_shared<spdlog::sinks::stderr_color_sink_mt>())) {
        logger->set_level(spdlog::level::warn);
        logger->set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %^%l%$ %v", spdlog::pattern_time_type::utc);
    }
};

Sink& sink() {
    static Sink instance;
    return instance;
}

std::string escaped(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    for (const char c : text) {
        if (c == '"' || c == '\\') {
            out.append(1, '\\').append(1, c);
        } else if (static_cast<unsigned char>(c) < 0x20) {
            out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
        } else {
            out += c;
        }
    }
    return out;
}

}  // namespace

void configure(Level level, Format format) {
    sink().logger->set_level(native(level));
    sink().format = format;
    if (format == Format::kJson) {
        sink().logger->set_pattern(
            R"({"time":"%Y-%m-%dT%H:%M:%S.%eZ","level":"%l","message":"%v"})",
            spdlog::pattern_time_type::utc);
    }
}

bool is_enabled(Level level) { return sink().logger->should_log(native(level)); }

void write(Level level, std::string_view text) {
    if (text.size() > kLineBytesMax) text = text.substr(0, kLineBytesMax);
    if (sink().format == Format::kJson) {
        sink().logger->log(native(level), escaped(text));
    } else {
        sink().logger->log(native(level), text);
    }
}

}  // namespace millrace::log
