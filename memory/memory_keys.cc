#include "memory/memory_keys.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <optional>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "memory/consumer_shares.h"
#include "runtime/base/check.h"
#include "runtime/base/nearest_word.h"

namespace millrace::memory {
namespace {

using Kind = MemoryKey::Kind;
using enum MemoryKey::Effect;
// No machine's address space is larger; keeps every sum of sizes below 2^64.
constexpr std::uint64_t kNoMax = std::uint64_t{1} << 56;
constexpr std::uint64_t kCountMax = std::numeric_limits<std::int32_t>::max();
constexpr std::uint64_t kKib = 1024;

constexpr std::array kKeys = std::to_array<MemoryKey>({
    {.name = "taskmanager.memory.process.size",
     .kind = Kind::kBytes,
     .min = 1,
     .max = kNoMax,
     .doc = "All memory of a TaskManager process; the one number that is enough."},
    {.name = "taskmanager.memory.flink.size",
     .kind = Kind::kBytes,
     .min = 1,
     .max = kNoMax,
     .doc = "The same without overhead."},
    {.name = "taskmanager.memory.framework.size",
     .kind = Kind::kBytes,
     .default_value = "64m",
     .max = kNoMax,
     .doc = "Task scheduler, RPC, metrics, logs, tables of the memory manager."},
    {.name = "taskmanager.memory.task.size",
     .kind = Kind::kBytes,
     .max = kNoMax,
     .doc = "Operator code and client libraries; default: what the others leave."},
    {.name = "taskmanager.memory.managed.size",
     .kind = Kind::kBytes,
     .max = kNoMax,
     .doc = "State, models and batches; divided among the slots."},
    {.name = "taskmanager.memory.managed.fraction",
     .kind = Kind::kFraction,
     .default_value = "0.4",
     .doc = "Managed memory as a part of flink.size, when managed.size is not set."},
    {.name = "taskmanager.memory.managed.consumer-weights",
     .kind = Kind::kWeights,
     .default_value = "OPERATOR:70,STATE_BACKEND:70,MODEL:70",
     .effect = kLater,
     .doc = "How a slot's managed memory is divided at deployment."},
    {.name = "taskmanager.memory.managed.reserve",
     .kind = Kind::kBytes,
     .default_value = "0",
     .max = kNoMax,
     .effect = kLater,
     .doc = "Managed memory that is never lent."},
    {.name = "taskmanager.memory.network.fraction",
     .kind = Kind::kFraction,
     .default_value = "0.1",
     .doc = "Buffers between tasks as a part of flink.size."},
    {.name = "taskmanager.memory.network.min",
     .kind = Kind::kBytes,
     .default_value = "64m",
     .max = kNoMax,
     .doc = "At least this much network memory."},
    {.name = "taskmanager.memory.network.max",
     .kind = Kind::kBytes,
     .max = kNoMax,
     .doc = "At most this much network memory; default: no limit."},
    {.name = "taskmanager.memory.overhead.fraction",
     .kind = Kind::kFraction,
     .default_value = "0.1",
     .doc = "Code pages, stacks and allocator slack as a part of process.size."},
    {.name = "taskmanager.memory.overhead.min",
     .kind = Kind::kBytes,
     .default_value = "64m",
     .max = kNoMax,
     .doc = "At least this much overhead."},
    {.name = "taskmanager.memory.overhead.max",
     .kind = Kind::kBytes,
     .default_value = "1g",
     .max = kNoMax,
     .doc = "At most this much overhead."},
    {.name = "taskmanager.memory.segment-size",
     .kind = Kind::kBytes,
     .default_value = "32k",
     .min = 4 * kKib,
     .max = 1024 * kKib,
     .doc = "Page of managed memory and size of a network buffer; a power of two."},
    {.name = "taskmanager.memory.min-segment-size",
     .kind = Kind::kBytes,
     .default_value = "256",
     .min = 1,
     .max = 1024 * kKib,
     .effect = kLater,
     .doc = "Smallest fill level that debloating may choose."},
    {.name = "taskmanager.memory.starting-segment-size",
     .kind = Kind::kBytes,
     .default_value = "1k",
     .min = 1,
     .max = 1024 * kKib,
     .effect = kLater,
     .doc = "Fill level that debloating starts with."},
    {.name = "taskmanager.memory.prefault",
     .kind = Kind::kFlag,
     .default_value = "false",
     .doc = "Touch all managed and network memory at start instead of on first use."},
    {.name = "taskmanager.memory.huge-pages",
     .kind = Kind::kWord,
     .default_value = "transparent",
     .words = "transparent|off",
     .doc = "Huge pages for tables."},
    {.name = "taskmanager.memory.borrow.recall-deadline",
     .kind = Kind::kDuration,
     .default_value = "1 s",
     .effect = kLater,
     .doc = "How long a borrower has to give memory back."},
    {.name = "taskmanager.memory.reclaim.interval",
     .kind = Kind::kDuration,
     .default_value = "5 s",
     .effect = kLater,
     .doc = "How often idle pages are looked for."},
    {.name = "taskmanager.memory.reclaim.idle-after",
     .kind = Kind::kDuration,
     .default_value = "30 s",
     .effect = kLater,
     .doc = "How long a page is idle before it goes back to the operating system."},
    {.name = "taskmanager.memory.defragmentation.enabled",
     .kind = Kind::kFlag,
     .default_value = "true",
     .effect = kLater,
     .doc = "Move state pages to join free runs."},
    {.name = "taskmanager.memory.rss-check.interval",
     .kind = Kind::kDuration,
     .default_value = "1 s",
     .effect = kLater,
     .doc = "How often the resident size is compared with the budget."},
    {.name = "taskmanager.numberOfTaskSlots",
     .kind = Kind::kCount,
     .default_value = "4",
     .min = 1,
     .max = 256,
     .doc = "Pipelines this process can run at once; managed memory is divided by it."},
    {.name = "taskmanager.network.memory.buffers-per-channel",
     .kind = Kind::kCount,
     .default_value = "2",
     .max = kCountMax,
     .doc = "Exclusive buffers of a channel from another process."},
    {.name = "taskmanager.network.memory.floating-buffers-per-gate",
     .kind = Kind::kCount,
     .default_value = "8",
     .max = kCountMax,
     .doc = "Buffers that the channels of a gate share."},
    {.name = "taskmanager.network.memory.max-buffers-per-channel",
     .kind = Kind::kCount,
     .default_value = "10",
     .min = 1,
     .max = kCountMax,
     .doc = "Most buffers that one subpartition may queue."},
    {.name = "taskmanager.network.memory.read-buffer.required-per-gate.max",
     .kind = Kind::kCount,
     .min = 1,
     .max = kCountMax,
     .doc = "Most buffers a gate may require to start; default: no limit."},
    {.name = "taskmanager.network.memory.buffer-debloat.enabled",
     .kind = Kind::kFlag,
     .default_value = "true",
     .effect = kLater,
     .doc = "Fill buffers only as far as latency needs."},
    {.name = "taskmanager.network.memory.buffer-debloat.period",
     .kind = Kind::kDuration,
     .default_value = "200 ms",
     .effect = kLater,
     .doc = "How often the fill level is computed."},
    {.name = "taskmanager.network.memory.buffer-debloat.samples",
     .kind = Kind::kCount,
     .default_value = "20",
     .min = 1,
     .max = kCountMax,
     .effect = kLater,
     .doc = "Samples in the moving average."},
    {.name = "taskmanager.network.memory.buffer-debloat.target",
     .kind = Kind::kDuration,
     .default_value = "1 s",
     .effect = kLater,
     .doc = "Time that the buffered data may take to consume."},
    {.name = "taskmanager.network.memory.buffer-debloat.threshold-percentages",
     .kind = Kind::kCount,
     .default_value = "25",
     .min = 1,
     .max = 100,
     .effect = kLater,
     .doc = "Smallest change that is announced."},
    {.name = "jobmanager.memory.process.size",
     .kind = Kind::kBytes,
     .min = 1,
     .max = kNoMax,
     .doc = "All memory of a JobManager process."},
    {.name = "jobmanager.memory.flink.size",
     .kind = Kind::kBytes,
     .min = 1,
     .max = kNoMax,
     .doc = "The same without overhead."},
    {.name = "jobmanager.memory.overhead.fraction",
     .kind = Kind::kFraction,
     .default_value = "0.1",
     .doc = "Overhead as a part of process.size."},
    {.name = "jobmanager.memory.overhead.min",
     .kind = Kind::kBytes,
     .default_value = "64m",
     .max = kNoMax,
     .doc = "At least this much overhead."},
    {.name = "jobmanager.memory.overhead.max",
     .kind = Kind::kBytes,
     .default_value = "1g",
     .max = kNoMax,
     .doc = "At most this much overhead."},
    {.name = "memory.tuning.mode",
     .kind = Kind::kWord,
     .default_value = "advise",
     .words = "off|advise|auto",
     .effect = kLater,
     .doc = "What the memory tuner may do."},
});

constexpr std::array<std::string_view, 4> kOurPrefixes{
    "taskmanager.memory.", "taskmanager.network.memory.", "jobmanager.memory.", "memory.tuning."};

// Keys of Flink that mean something else here, or nothing; a trailing '*' stands for any rest.
constexpr std::array kReplaced = std::to_array<std::pair<std::string_view, std::string_view>>({
    {"taskmanager.memory.framework.heap.size", "use taskmanager.memory.framework.size"},
    {"taskmanager.memory.framework.off-heap.size", "use taskmanager.memory.framework.size"},
    {"taskmanager.memory.task.heap.size", "use taskmanager.memory.task.size"},
    {"taskmanager.memory.task.off-heap.size", "use taskmanager.memory.task.size"},
    {"taskmanager.memory.off-heap.enabled", "use taskmanager.memory.defragmentation.enabled"},
    {"taskmanager.memory.jvm-overhead.*", "use taskmanager.memory.overhead.*"},
    {"taskmanager.memory.jvm-metaspace.size", "it does not exist natively, remove the line"},
    {"taskmanager.network.memory.max-overdraft-buffers-per-gate",
     "there is no overdraft, remove the line"},
    {"jobmanager.memory.heap.size", "use jobmanager.memory.flink.size"},
    {"jobmanager.memory.off-heap.size", "use jobmanager.memory.flink.size"},
    {"jobmanager.memory.jvm-overhead.*", "use jobmanager.memory.overhead.*"},
    {"jobmanager.memory.jvm-metaspace.size", "it does not exist natively, remove the line"},
    {"jobmanager.memory.enable-jvm-direct-memory-limit",
     "it does not exist natively, remove the line"},
    {"env.java.opts*", "it does not exist natively, remove the line"},
});

const MemoryKey* find_key(std::string_view name) {
    const auto* const found = std::ranges::find(kKeys, name, &MemoryKey::name);
    return found == kKeys.end() ? nullptr : found;
}

std::optional<std::string_view> replacement(std::string_view name) {
    for (const auto& [pattern, advice] : kReplaced) {
        const bool is_prefix = pattern.ends_with('*');
        if (is_prefix ? name.starts_with(pattern.substr(0, pattern.size() - 1)) : name == pattern) {
            return advice;
        }
    }
    return std::nullopt;
}

// The prefix that `name` begins with; empty when it begins with none.
std::string_view prefix_of(std::string_view name) {
    const auto* const found = std::ranges::find_if(
        kOurPrefixes, [&](std::string_view prefix) { return name.starts_with(prefix); });
    return found == kOurPrefixes.end() ? std::string_view() : *found;
}

// The known keys below `prefix`, without it.
std::vector<std::string_view> keys_below(std::string_view prefix) {
    std::vector<std::string_view> rests;
    for (const MemoryKey& key : kKeys) {
        if (key.name.starts_with(prefix)) rests.push_back(key.name.substr(prefix.size()));
    }
    return rests;
}

// What to write instead of a key that nobody knows. Two keys of a prefix have most of their letters
// in common, so only what stands behind it is compared.
std::string advice_on(std::string_view name) {
    const std::string_view prefix = prefix_of(name);
    const std::vector<std::string_view> known = keys_below(prefix);
    if (const auto rest = nearest_word(name.substr(prefix.size()), known))
        return fmt::format("did you mean {}{}?", prefix, *rest);
    if (!prefix.empty())
        return fmt::format("behind `{}` may stand {}.", prefix, fmt::join(known, ", "));
    return fmt::format("keys of memory begin with `{}`.", fmt::join(kOurPrefixes, "`, `"));
}

// Behind `before`; nothing where no file says it.
std::string file_and_line_of(const Setting& setting, std::string_view before) {
    if (setting.file.empty()) return "";
    if (setting.line == 0) return fmt::format("{}{}", before, setting.file);
    return fmt::format("{}{}:{}", before, setting.file, setting.line);
}

std::optional<std::uint64_t> parse_count(std::string_view text) {
    std::uint64_t number = 0;
    const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
    if (read.ec != std::errc{} || read.ptr != text.data() + text.size()) return std::nullopt;
    return number;
}

bool is_duration(std::string_view text) {
    const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
    std::string_view unit = text.substr(digits);
    while (unit.starts_with(' ')) unit.remove_prefix(1);
    constexpr std::array<std::string_view, 5> kUnits{"ms", "s", "min", "h", "d"};
    return digits > 0 && digits < 10 && std::ranges::find(kUnits, unit) != kUnits.end();
}

bool is_one_of(std::string_view words, std::string_view word) {
    return !word.empty() &&
           fmt::format("|{}|", words).find(fmt::format("|{}|", word)) != std::string::npos;
}

// The range in words, for sizes and counts.
std::string range_of(const MemoryKey& key) {
    const auto shown = [&](std::uint64_t value) {
        return key.kind == Kind::kBytes ? format_bytes(value) : fmt::format("{}", value);
    };
    if (key.max == kNoMax) return fmt::format("at least {}", shown(key.min));
    return fmt::format("from {} to {}", shown(key.min), shown(key.max));
}

// What is wrong with a number of this key; nullopt when nothing is.
std::optional<std::string> problem_of_number(const MemoryKey& key, std::uint64_t value,
                                             std::string_view text) {
    if (value >= key.min && value <= key.max) return std::nullopt;
    return fmt::format("out of range: '{}'. Hint: it must be {}.", text, range_of(key));
}

std::optional<std::string> problem_of_value(const MemoryKey& key, std::string_view text) {
    switch (key.kind) {
        case Kind::kBytes: {
            const auto bytes = parse_bytes(text);
            return bytes ? problem_of_number(key, *bytes, text) : bytes.error().message;
        }
        case Kind::kFraction: {
            const auto fraction = DecimalFraction::parse(text);
            return fraction ? std::nullopt : std::optional(fraction.error().message);
        }
        case Kind::kCount: {
            const auto count = parse_count(text);
            if (count) return problem_of_number(key, *count, text);
            return fmt::format("not a whole number: '{}'. Hint: it must be {}.", text,
                               range_of(key));
        }
        case Kind::kDuration:
            if (is_duration(text)) return std::nullopt;
            return fmt::format(
                "not a duration: '{}'. Hint: write for example 200 ms, 5 s or 1 min.", text);
        case Kind::kFlag:
            if (text == "true" || text == "false") return std::nullopt;
            return fmt::format("neither true nor false: '{}'.", text);
        case Kind::kWeights: {
            const auto weights = parse_consumer_weights(text);
            return weights ? std::nullopt : std::optional(weights.error().message);
        }
        case Kind::kWord:
            if (is_one_of(key.words, text)) return std::nullopt;
            return fmt::format("unknown value: '{}'. Hint: write one of {}.", text, key.words);
    }
    return std::nullopt;
}

std::optional<std::string> problem_of(const Setting& setting) {
    if (const MemoryKey* key = find_key(setting.key)) return problem_of_value(*key, setting.value);
    if (const auto advice = replacement(setting.key)) {
        return fmt::format("this key of Flink has no meaning here. Hint: {}.", *advice);
    }
    return fmt::format("unknown key. Hint: {}", advice_on(setting.key));
}

}  // namespace

std::string place_of(const Setting& setting) {
    if (setting.file.empty()) return setting.key;
    return fmt::format("{}: {}", file_and_line_of(setting, ""), setting.key);
}

std::span<const MemoryKey> memory_keys() { return kKeys; }

bool is_memory_key(std::string_view key) {
    return !prefix_of(key).empty() || find_key(key) != nullptr || replacement(key).has_value();
}

KeyValues KeyValues::read(std::span<const Setting> settings, Notes& notes) {
    KeyValues values;
    for (const auto& setting : settings) {
        if (const auto problem = problem_of(setting)) {
            notes.problems.push_back(fmt::format("{}: {}", place_of(setting), *problem));
            if (find_key(setting.key) != nullptr) ++notes.unread;
            continue;
        }
        const auto [place, is_new] = values.settings_.emplace(setting.key, setting);
        if (!is_new) {
            notes.problems.push_back(
                fmt::format("{}: set twice, to '{}' and first to '{}'{}. Hint: remove one of them.",
                            place_of(setting), setting.value, place->second.value,
                            file_and_line_of(place->second, " at ")));
        } else if (find_key(setting.key)->effect == kLater) {
            notes.warnings.push_back(
                fmt::format("{}: has no effect in this version yet.", place_of(setting)));
        }
    }
    return values;
}

bool KeyValues::is_set(std::string_view key) const { return settings_.contains(key); }

std::string_view KeyValues::text(std::string_view key) const {
    const MemoryKey* known = find_key(key);
    MILLRACE_CHECK(known != nullptr);
    const auto found = settings_.find(key);
    if (found != settings_.end()) return found->second.value;
    MILLRACE_CHECK(!known->default_value.empty());
    return known->default_value;
}

std::uint64_t KeyValues::bytes(std::string_view key) const {
    return parse_bytes(text(key)).value();
}

std::uint64_t KeyValues::count(std::string_view key) const {
    return parse_count(text(key)).value();
}

DecimalFraction KeyValues::fraction(std::string_view key) const {
    return DecimalFraction::parse(text(key)).value();
}

bool KeyValues::flag(std::string_view key) const { return text(key) == "true"; }

std::string KeyValues::where(std::string_view key) const {
    const auto found = settings_.find(key);
    return found == settings_.end() ? std::string(key) : place_of(found->second);
}

}  // namespace millrace::memory
