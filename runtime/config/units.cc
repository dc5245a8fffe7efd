#include "runtime/config/units.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cmath>
#include <limits>
#include <optional>
#include <span>

#include <fmt/format.h>

namespace millrace::config {
namespace {

struct UnitName {
    std::string_view name;
    std::int64_t factor;
};

constexpr std::array kTimeUnits{UnitName{"ms", 1}, UnitName{"s", 1000}, UnitName{"m", 60'000},
                                UnitName{"h", 3'600'000}, UnitName{"d", 86'400'000}};
constexpr std::array kSizeUnits{UnitName{"B", 1}, UnitName{"KiB", std::int64_t{1} << 10},
                                UnitName{"MiB", std::int64_t{1} << 20},
                                UnitName{"GiB", std::int64_t{1} << 30},
                                UnitName{"TiB", std::int64_t{1} << 40}};

// What other systems write, and what it is here.
struct Spelling {
    std::string_view theirs;
    std::string_view ours;
};
constexpr std::array kTimeSpellings{
    Spelling{"sec", "s"},     Spelling{"secs", "s"},    Spelling{"second", "s"},
    Spelling{"seconds", "s"}, Spelling{"min", "m"},     Spelling{"mins", "m"},
    Spelling{"minute", "m"},  Spelling{"minutes", "m"}, Spelling{"hour", "h"},
    Spelling{"hours", "h"},   Spelling{"day", "d"},     Spelling{"days", "d"},
    Spelling{"msec", "ms"},   Spelling{"millis", "ms"}, Spelling{"milliseconds", "ms"},
    Spelling{"S", "s"},       Spelling{"M", "m"},       Spelling{"MS", "ms"},
    Spelling{"H", "h"},       Spelling{"D", "d"}};
constexpr std::array kSizeSpellings{
    Spelling{"b", "B"},     Spelling{"k", "KiB"},   Spelling{"kb", "KiB"},  Spelling{"K", "KiB"},
    Spelling{"KB", "KiB"},  Spelling{"kB", "KiB"},  Spelling{"kib", "KiB"}, Spelling{"m", "MiB"},
    Spelling{"mb", "MiB"},  Spelling{"M", "MiB"},   Spelling{"MB", "MiB"},  Spelling{"mib", "MiB"},
    Spelling{"g", "GiB"},   Spelling{"gb", "GiB"},  Spelling{"G", "GiB"},   Spelling{"GB", "GiB"},
    Spelling{"gib", "GiB"}, Spelling{"t", "TiB"},   Spelling{"tb", "TiB"},  Spelling{"T", "TiB"},
    Spelling{"TB", "TiB"},  Spelling{"tib", "TiB"}, Spelling{"bytes", "B"}};

// A number and what follows it.
struct Split {
    std::string_view number;
    std::string_view unit;
};

bool is_digit(char letter) { return letter >= '0' && letter <= '9'; }

Split split(std::string_view text) {
    std::size_t end = 0;
    while (end < text.size() && (is_digit(text[end]) || text[end] == '.')) {
        ++end;
    }
    std::string_view unit = text.substr(end);
    while (unit.starts_with(' ')) {
        unit.remove_prefix(1);
    }
    return {text.substr(0, end), unit};
}

std::optional<std::int64_t> whole(std::string_view text) {
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (text.empty() || error != std::errc() || end != text.data() + text.size()) {
        return std::nullopt;
    }
    return value;
}

std::optional<double> decimal(std::string_view text) {
    double value = 0;
    const auto [end, error] =
        std::from_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed);
    if (text.empty() || error != std::errc() || end != text.data() + text.size() ||
        !std::isfinite(value)) {
        return std::nullopt;
    }
    return value;
}

std::unexpected<UnitFault> malformed(std::string_view text, std::string_view kind,
                                     std::string fix) {
    return std::unexpected(
        UnitFault{false, fmt::format("is {}, and \"{}\" is none", kind, text), std::move(fix)});
}

std::unexpected<UnitFault> bare(std::string_view kind, std::string fix) {
    return std::unexpected(
        UnitFault{true, fmt::format("is {} and needs a unit", kind), std::move(fix)});
}

std::unexpected<UnitFault> too_large(std::string_view text) {
    return std::unexpected(UnitFault{false, fmt::format("is too large: {}", text), ""});
}

// Reads a whole number with one of `units`.
UnitResult<std::int64_t> scaled(std::string_view text, std::span<const UnitName> units,
                                std::span<const Spelling> spellings, std::string_view kind,
                                std::string_view example) {
    const Split parts = split(text);
    const auto number = whole(parts.number);
    for (const UnitName& unit : units) {
        if (parts.unit != unit.name || !number) {
            continue;
        }
        if (*number > std::numeric_limits<std::int64_t>::max() / unit.factor) {
            return too_large(text);
        }
        if (text.size() != parts.number.size() + parts.unit.size()) {
            return malformed(text, kind, fmt::format("write {}{}", parts.number, parts.unit));
        }
        return *number * unit.factor;
    }
    for (const Spelling& spelling : spellings) {
        if (parts.unit == spelling.theirs && number) {
            return malformed(text, kind, fmt::format("write {}{}", *number, spelling.ours));
        }
    }
    return malformed(text, kind, std::string(example));
}

bool is_bare_number(std::string_view text) {
    const Split parts = split(text);
    return parts.unit.empty() && !parts.number.empty();
}

bool is_unsigned(std::string_view text) { return !text.empty() && is_digit(text.front()); }

std::string print_scaled(std::int64_t value, std::span<const UnitName> units) {
    if (value == 0) {
        return fmt::format("0{}", units.size() == kTimeUnits.size() && units[0].name == "ms"
                                      ? "s"
                                      : units[0].name);
    }
    for (std::size_t i = units.size(); i-- > 0;) {
        if (value % units[i].factor == 0) {
            return fmt::format("{}{}", value / units[i].factor, units[i].name);
        }
    }
    return fmt::format("{}{}", value, units[0].name);
}

// The shortest text without exponent.
std::string print_fixed(double value) {
    std::array<char, 512> buffer{};
    const auto [end, error] = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value,
                                            std::chars_format::fixed);
    return {buffer.data(), end};
}

std::optional<int> digits(std::string_view text, std::size_t at, std::size_t count) {
    if (text.size() < at + count) {
        return std::nullopt;
    }
    const auto value = whole(text.substr(at, count));
    if (!value || *value < 0) {
        return std::nullopt;
    }
    return static_cast<int>(*value);
}

// Milliseconds of the time of day in "03:04:05Z" or "03:04:05.678Z".
std::optional<std::int64_t> time_of_day_ms(std::string_view text) {
    const auto hour = digits(text, 0, 2);
    const auto minute = digits(text, 3, 2);
    const auto second = digits(text, 6, 2);
    if (!hour || !minute || !second || text[2] != ':' || text[5] != ':' || *hour > 23 ||
        *minute > 59 || *second > 59) {
        return std::nullopt;
    }
    const std::int64_t ms = ((*hour * 60LL + *minute) * 60 + *second) * 1000;
    const std::string_view rest = text.substr(8);
    if (rest == "Z") {
        return ms;
    }
    const auto fraction = digits(rest, 1, 3);
    if (!fraction || rest.front() != '.' || rest.substr(4) != "Z") {
        return std::nullopt;
    }
    return ms + *fraction;
}

}  // namespace

UnitResult<std::int64_t> parse_duration_ms(std::string_view text) {
    if (is_bare_number(text)) {
        return bare("a time", fmt::format("write {0}s, {0}m or {0}h", text));
    }
    return scaled(text, kTimeUnits, kTimeSpellings, "a time",
                  "write it like 500ms, 10s, 5m, 2h or 7d");
}

UnitResult<std::int64_t> parse_size_bytes(std::string_view text) {
    if (is_bare_number(text)) {
        return bare("a size", fmt::format("write {0}KiB or {0}MiB", text));
    }
    return scaled(text, kSizeUnits, kSizeSpellings, "a size", "write it like 64KiB or 64MiB");
}

UnitResult<double> parse_share(std::string_view text) {
    const Split parts = split(text);
    const auto number = decimal(parts.number);
    if (number && parts.unit.empty()) {
        return bare("a share", fmt::format("write {}%",
                                           print_number(*number <= 1 && *number > 0 ? *number * 100
                                                                                    : *number)));
    }
    if (!number || parts.unit != "%") {
        return malformed(text, "a share", "write it like 25%");
    }
    return *number / 100;
}

UnitResult<double> parse_rate(std::string_view text) {
    const Split parts = split(text);
    const auto number = decimal(parts.number);
    if (number && parts.unit.empty()) {
        return bare("a rate", fmt::format("write {}/s", text));
    }
    if (!number || parts.unit != "/s") {
        return malformed(text, "a rate", "write it like 5000/s");
    }
    return *number;
}

UnitResult<std::int64_t> parse_rows(std::string_view text) {
    if (is_bare_number(text)) {
        return bare("a number of rows", fmt::format("write {}rows", text));
    }
    const std::string_view number =
        text.substr(0, text.size() - std::min<std::size_t>(4, text.size()));
    const auto rows = whole(number);
    if (!text.ends_with("rows") || !rows || !is_unsigned(text)) {
        return malformed(text, "a number of rows", "write it like 10000rows");
    }
    return *rows;
}

UnitResult<DurationRange> parse_duration_range(std::string_view text) {
    const std::size_t dots = text.find("..");
    if (dots == std::string_view::npos) {
        return malformed(text, "a range of times", "write it like 1s..60s");
    }
    const auto low = parse_duration_ms(text.substr(0, dots));
    const auto high = parse_duration_ms(text.substr(dots + 2));
    if (!low || !high) {
        const bool needs_unit =
            (!low && low.error().needs_unit) || (!high && high.error().needs_unit);
        return std::unexpected(
            UnitFault{needs_unit,
                      needs_unit ? "is a range of times and needs units"
                                 : fmt::format("is a range of times, and \"{}\" is none", text),
                      "write it like 1s..60s"});
    }
    if (*low > *high) {
        return malformed(text, "a range of times",
                         fmt::format("write {}..{}", text.substr(dots + 2), text.substr(0, dots)));
    }
    return DurationRange{*low, *high};
}

UnitResult<std::int64_t> parse_instant_ms(std::string_view text) {
    const auto year = digits(text, 0, 4);
    const auto month = digits(text, 5, 2);
    const auto day = digits(text, 8, 2);
    constexpr std::string_view kExample = "write it like 2026-01-02T03:04:05Z, in UTC";
    if (!year || !month || !day || text.size() < 20 || text[4] != '-' || text[7] != '-' ||
        text[10] != 'T') {
        return malformed(text, "a point in time", std::string(kExample));
    }
    const std::chrono::year_month_day date{std::chrono::year(*year),
                                           std::chrono::month(static_cast<unsigned>(*month)),
                                           std::chrono::day(static_cast<unsigned>(*day))};
    const auto time = time_of_day_ms(text.substr(11));
    if (!date.ok() || !time) {
        return malformed(text, "a point in time", std::string(kExample));
    }
    return std::chrono::sys_days(date).time_since_epoch().count() * std::int64_t{86'400'000} +
           *time;
}

std::string print_duration(std::int64_t ms) { return print_scaled(ms, kTimeUnits); }

std::string print_size(std::int64_t bytes) { return print_scaled(bytes, kSizeUnits); }

std::string print_share(double share) {
    // 0.07 * 100 is 7.000000000000001: take the neighbour with the shortest text that reads back.
    const double percent = share * 100;
    std::string best = print_fixed(percent);
    for (const double candidate : {std::nextafter(percent, 0.0), percent,
                                   std::nextafter(percent, std::numeric_limits<double>::max())}) {
        const std::string text = print_fixed(candidate);
        const bool exact = candidate / 100 == share;
        if (exact && (text.size() < best.size() || percent / 100 != share)) {
            best = text;
        }
    }
    return best + "%";
}

std::string print_rate(double per_second) { return print_fixed(per_second) + "/s"; }

std::string print_rows(std::int64_t rows) { return fmt::format("{}rows", rows); }

std::string print_duration_range(DurationRange range) {
    return print_duration(range.min_ms) + ".." + print_duration(range.max_ms);
}

std::string print_instant(std::int64_t ms) {
    const std::chrono::sys_time<std::chrono::milliseconds> time{std::chrono::milliseconds(ms)};
    const auto day = std::chrono::floor<std::chrono::days>(time);
    const std::chrono::year_month_day date(day);
    const auto rest = (time - day).count();
    std::string out =
        fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", static_cast<int>(date.year()),
                    static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                    rest / 3'600'000, rest / 60'000 % 60, rest / 1000 % 60);
    if (rest % 1000 != 0) {
        out += fmt::format(".{:03}", rest % 1000);
    }
    return out + "Z";
}

std::string print_number(double value) {
    std::array<char, 32> buffer{};
    const auto [end, error] = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value);
    return {buffer.data(), end};
}

}  // namespace millrace::config
