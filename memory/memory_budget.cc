#include "memory/memory_budget.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <utility>

#include <fmt/format.h>

#include "memory/byte_size.h"

namespace millrace::memory {
namespace {

constexpr std::uint64_t kUnlimited = std::numeric_limits<std::uint64_t>::max();

// A fraction of something between a least and a largest size: network and overhead.
struct CappedPart {
    DecimalFraction fraction;
    std::uint64_t min;
    std::uint64_t max;
    std::string key;  // Prefix of the three keys, with the last dot.
};

// Derives the regions of one process; collects what is wrong instead of stopping at it.
class Derivation {
  public:
    Derivation(std::span<const Setting> settings, const MachineMemory& machine, std::string prefix)
        : machine_(machine),
          prefix_(std::move(prefix)),
          values_(KeyValues::read(settings, notes_)) {}

    MemoryBudget task_manager();
    JobManagerBudget job_manager();
    // What must be refused, as one text; empty when all is well. `table` shows the regions.
    [[nodiscard]] std::string refusal(const std::string& table) const;
    [[nodiscard]] std::vector<std::string> warnings() && { return std::move(notes_.warnings); }

  private:
    [[nodiscard]] std::string key(std::string_view name) const {
        return prefix_ + std::string(name);
    }
    [[nodiscard]] bool is_set(std::string_view name) const { return values_.is_set(key(name)); }
    [[nodiscard]] std::uint64_t bytes(std::string_view name) const {
        return values_.bytes(key(name));
    }
    template <class... Args>
    void problem(fmt::format_string<Args...> text, Args&&... args) {
        notes_.problems.push_back(fmt::format(text, std::forward<Args>(args)...));
    }

    CappedPart capped_part(std::string_view name);
    RegionSize capped(const CappedPart& part, std::uint64_t wanted);
    void check_remainder(const CappedPart& part, std::uint64_t actual, std::uint64_t by_fraction);
    void read_process();
    void derive_overhead_from_process();
    void derive_overhead_from_total();

    void read_plain_values();
    void derive_from_parts();
    void derive_from_total();
    void derive_managed();
    void derive_network_as_remainder();
    [[nodiscard]] bool fits_total();
    void round_to_segments();
    void compare_with_machine();

    const MachineMemory machine_;
    const std::string prefix_;  // "taskmanager.memory." or "jobmanager.memory."
    KeyValues::Notes notes_;
    const KeyValues values_;
    MemoryBudget budget_;
    bool is_complete_ = false;  // All regions are known.
};

CappedPart Derivation::capped_part(std::string_view name) {
    const std::string prefix = key(name) + ".";
    CappedPart part{.fraction = values_.fraction(prefix + "fraction"),
                    .min = values_.bytes(prefix + "min"),
                    .max = kUnlimited,
                    .key = prefix};
    // Only network.max has no default.
    if (values_.is_set(prefix + "max") || name == "overhead") {
        part.max = values_.bytes(prefix + "max");
    }
    if (part.min > part.max) {
        problem("{}min is above {}max: {} above {}.", prefix, prefix, format_rounded(part.min),
                format_rounded(part.max));
        part.max = part.min;
    }
    return part;
}

// `wanted` within the part's bounds. A bound that changes what the user asked for is a warning.
RegionSize Derivation::capped(const CappedPart& part, std::uint64_t wanted) {
    const std::uint64_t bounded = std::clamp(wanted, part.min, part.max);
    if (bounded == wanted) return {wanted, RegionSource::kDerived};
    if (values_.is_set(part.key + "fraction")) {
        notes_.warnings.push_back(
            fmt::format("{}: the fraction gives {}, which is {} {}{}; {} is used.",
                        values_.where(part.key + "fraction"), format_rounded(wanted),
                        bounded < wanted ? "above" : "below", part.key,
                        bounded < wanted ? "max" : "min", format_rounded(bounded)));
    }
    return {bounded, RegionSource::kCapped};
}

// A part that is what other sizes leave must respect its bounds and its fraction, if that is set.
void Derivation::check_remainder(const CappedPart& part, std::uint64_t actual,
                                 std::uint64_t by_fraction) {
    if (actual < part.min || actual > part.max) {
        problem("the sizes that are set leave {} for {}*, outside of its bounds: {} to {}.",
                format_rounded(actual), part.key, format_rounded(part.min),
                part.max == kUnlimited ? "no limit" : format_rounded(part.max));
    }
    const std::uint64_t expected = std::clamp(by_fraction, part.min, part.max);
    const std::uint64_t gap = actual > expected ? actual - expected : expected - actual;
    if (values_.is_set(part.key + "fraction") && gap > budget_.segment_bytes) {
        problem("{}: the fraction gives {}, but the sizes that are set leave {}. Hint: remove one.",
                values_.where(part.key + "fraction"), format_rounded(expected),
                format_rounded(actual));
    }
}

void Derivation::read_process() {
    if (is_set("process.size")) {
        budget_.process = {bytes("process.size"), RegionSource::kSet};
    } else if (machine_.cgroup_limit_bytes) {
        budget_.process = {*machine_.cgroup_limit_bytes, RegionSource::kDerived};
    } else if (machine_.process_bytes_default) {
        budget_.process = {*machine_.process_bytes_default, RegionSource::kDefault};
    }
}

void Derivation::derive_overhead_from_process() {
    const CappedPart part = capped_part("overhead");
    budget_.overhead = capped(part, part.fraction.of(budget_.process.bytes));
    if (budget_.overhead.bytes >= budget_.process.bytes) {
        problem("{}process.size is not above the overhead: {}, overhead {}.", prefix_,
                format_rounded(budget_.process.bytes), format_rounded(budget_.overhead.bytes));
        return;
    }
    budget_.total = {budget_.process.bytes - budget_.overhead.bytes, RegionSource::kDerived};
}

void Derivation::derive_overhead_from_total() {
    const CappedPart part = capped_part("overhead");
    const std::uint64_t total = budget_.total.bytes;
    if (!is_set("process.size")) {
        budget_.overhead = capped(part, part.fraction.beside(total));
        budget_.process = {total + budget_.overhead.bytes, RegionSource::kDerived};
        return;
    }
    budget_.process = {bytes("process.size"), RegionSource::kSet};
    if (budget_.process.bytes < total) {
        problem("{}process.size is below the regions in it: {} below {}.", prefix_,
                format_rounded(budget_.process.bytes), format_rounded(total));
        return;
    }
    budget_.overhead = {budget_.process.bytes - total, RegionSource::kDerived};
    check_remainder(part, budget_.overhead.bytes, part.fraction.of(budget_.process.bytes));
}

void Derivation::read_plain_values() {
    budget_.slot_count = static_cast<std::uint32_t>(values_.count("taskmanager.numberOfTaskSlots"));
    budget_.segment_bytes = bytes("segment-size");
    if (!std::has_single_bit(budget_.segment_bytes)) {
        problem("{}: not a power of two: {} bytes.", values_.where(key("segment-size")),
                budget_.segment_bytes);
    }
    budget_.consumer_weights =
        parse_consumer_weights(values_.text(key("managed.consumer-weights"))).value();
    budget_.huge_pages = values_.text(key("huge-pages")) == "off"
                             ? MappedRegion::HugePages::kOff
                             : MappedRegion::HugePages::kTransparent;
    budget_.prefault =
        values_.flag(key("prefault")) ? MappedRegion::Prefault::kYes : MappedRegion::Prefault::kNo;
    const auto count = [&](std::string_view name) {
        return static_cast<std::uint32_t>(
            values_.count("taskmanager.network.memory." + std::string(name)));
    };
    budget_.buffers.buffers_per_channel = count("buffers-per-channel");
    budget_.buffers.floating_buffers_per_gate = count("floating-buffers-per-gate");
    budget_.buffers.max_buffers_per_channel = count("max-buffers-per-channel");
    if (values_.is_set("taskmanager.network.memory.read-buffer.required-per-gate.max")) {
        budget_.buffers.required_per_gate_max = count("read-buffer.required-per-gate.max");
    }
    budget_.framework = {bytes("framework.size"),
                         is_set("framework.size") ? RegionSource::kSet : RegionSource::kDefault};
}

// Entry point A: task and managed are set, so the total is what they and the others sum to.
void Derivation::derive_from_parts() {
    budget_.task = {bytes("task.size"), RegionSource::kSet};
    budget_.managed = {bytes("managed.size"), RegionSource::kSet};
    const std::uint64_t parts =
        budget_.framework.bytes + budget_.task.bytes + budget_.managed.bytes;
    if (is_set("flink.size")) {
        budget_.total = {bytes("flink.size"), RegionSource::kSet};
        derive_network_as_remainder();
    } else {
        const CappedPart part = capped_part("network");
        budget_.network = capped(part, part.fraction.beside(parts));
        budget_.total = {parts + budget_.network.bytes, RegionSource::kDerived};
    }
    derive_managed();
}

// Entry points B and C: the total is known.
void Derivation::derive_from_total() {
    derive_managed();
    if (is_set("task.size")) {
        budget_.task = {bytes("task.size"), RegionSource::kSet};
        derive_network_as_remainder();
        return;
    }
    const CappedPart part = capped_part("network");
    budget_.network = capped(part, part.fraction.of(budget_.total.bytes));
}

void Derivation::derive_managed() {
    const std::uint64_t by_fraction =
        values_.fraction(key("managed.fraction")).of(budget_.total.bytes);
    if (!is_set("managed.size")) {
        budget_.managed = {by_fraction, RegionSource::kDerived};
        return;
    }
    budget_.managed = {bytes("managed.size"), RegionSource::kSet};
    const std::uint64_t size = budget_.managed.bytes;
    const std::uint64_t gap = size > by_fraction ? size - by_fraction : by_fraction - size;
    if (is_set("managed.fraction") && gap > budget_.segment_bytes * budget_.slot_count) {
        problem("{}: the fraction gives {}, but managed.size is {}. Hint: remove one.",
                values_.where(key("managed.fraction")), format_rounded(by_fraction),
                format_rounded(size));
    }
}

void Derivation::derive_network_as_remainder() {
    const std::uint64_t others =
        budget_.framework.bytes + budget_.task.bytes + budget_.managed.bytes;
    const std::uint64_t total = budget_.total.bytes;
    if (others > total) return;  // fits_total() says so.
    budget_.network = {total - others, RegionSource::kDerived};
    const CappedPart part = capped_part("network");
    check_remainder(part, budget_.network.bytes, part.fraction.of(total));
}

bool Derivation::fits_total() {
    const std::uint64_t task = budget_.task.source == RegionSource::kSet ? budget_.task.bytes : 0;
    const std::uint64_t sum =
        budget_.framework.bytes + task + budget_.managed.bytes + budget_.network.bytes;
    if (sum <= budget_.total.bytes) return true;
    problem(
        "the regions exceed the total: framework {} + task {} + managed {} + network {} = {}, "
        "total {}. Hint: raise taskmanager.memory.process.size, or lower one of them.",
        format_rounded(budget_.framework.bytes), format_rounded(task),
        format_rounded(budget_.managed.bytes), format_rounded(budget_.network.bytes),
        format_rounded(sum), format_rounded(budget_.total.bytes));
    return false;
}

// Rounds managed and network down to whole segments; what that leaves goes to task.
void Derivation::round_to_segments() {
    if (!fits_total()) return;
    const std::uint64_t unit = budget_.segment_bytes * budget_.slot_count;
    const std::uint64_t rounded = budget_.managed.bytes / unit * unit;
    if (is_set("managed.size") && rounded != budget_.managed.bytes) {
        notes_.warnings.push_back(fmt::format(
            "{}: {} bytes are not a whole number of segments in every slot; {} bytes are used.",
            values_.where(key("managed.size")), budget_.managed.bytes, rounded));
    }
    budget_.managed.bytes = rounded;
    budget_.network.bytes -= budget_.network.bytes % budget_.segment_bytes;
    if (budget_.managed.bytes == 0 || budget_.network.bytes == 0) {
        problem(
            "managed and network memory need at least one segment ({}) each, managed one for "
            "each of {} slots. Hint: raise taskmanager.memory.process.size.",
            format_rounded(budget_.segment_bytes), budget_.slot_count);
    }
    if (budget_.network.bytes / budget_.segment_bytes > std::numeric_limits<std::int32_t>::max()) {
        problem("too many network buffers. Hint: lower taskmanager.memory.network.max.");
    }
    const std::uint64_t others =
        budget_.framework.bytes + budget_.managed.bytes + budget_.network.bytes;
    budget_.task.bytes = budget_.total.bytes - others;
}

// Pages are touched on first use, so that a process that is too large starts well.
void Derivation::compare_with_machine() {
    if (!machine_.physical_bytes || budget_.process.bytes <= *machine_.physical_bytes) return;
    const std::string_view given = is_set("process.size") ? "process.size"
                                   : is_set("flink.size") ? "flink.size"
                                   : is_set("task.size")  ? "task.size"
                                                          : "process.size";
    notes_.warnings.push_back(fmt::format(
        "{}: the process is allowed {}, which is more than this machine's {}; the kernel may end "
        "it before it has used that. Hint: set {}process.size to what the machine can spare.",
        values_.where(key(given)), format_rounded(budget_.process.bytes),
        format_rounded(*machine_.physical_bytes), prefix_));
}

MemoryBudget Derivation::task_manager() {
    if (notes_.unread != 0) return budget_;  // What follows from missing values only misleads.
    read_plain_values();
    if (is_set("task.size") && is_set("managed.size")) {
        derive_from_parts();
        derive_overhead_from_total();
    } else if (is_set("flink.size")) {
        budget_.total = {bytes("flink.size"), RegionSource::kSet};
        derive_from_total();
        derive_overhead_from_total();
    } else {
        read_process();
        if (budget_.process.bytes == 0) {
            problem(
                "the memory of this process is not configured. Hint: set one of "
                "taskmanager.memory.process.size, taskmanager.memory.flink.size, or "
                "taskmanager.memory.task.size and taskmanager.memory.managed.size.");
            return budget_;
        }
        derive_overhead_from_process();
        if (budget_.total.bytes == 0) return budget_;
        derive_from_total();
    }
    is_complete_ = true;
    round_to_segments();
    compare_with_machine();
    return budget_;
}

JobManagerBudget Derivation::job_manager() {
    if (notes_.unread != 0) return {};
    if (is_set("flink.size")) {
        budget_.total = {bytes("flink.size"), RegionSource::kSet};
        derive_overhead_from_total();
    } else {
        read_process();
        if (budget_.process.bytes == 0) {
            problem(
                "the memory of this process is not configured. Hint: set one of "
                "jobmanager.memory.process.size or jobmanager.memory.flink.size.");
            return {};
        }
        derive_overhead_from_process();
    }
    is_complete_ = true;
    compare_with_machine();
    return {budget_.process, budget_.total, budget_.overhead, {}};
}

std::string Derivation::refusal(const std::string& table) const {
    std::vector<std::string> problems = notes_.problems;
    if (machine_.cgroup_limit_bytes && budget_.process.bytes > *machine_.cgroup_limit_bytes) {
        problems.push_back(fmt::format(
            "the process size is above the memory limit of its cgroup: {} above {}. Hint: lower "
            "{}process.size or raise the container's limit.",
            format_rounded(budget_.process.bytes), format_rounded(*machine_.cgroup_limit_bytes),
            prefix_));
    }
    if (problems.empty()) return {};
    std::string text = fmt::format("memory configuration is not valid ({} problem{})",
                                   problems.size(), problems.size() == 1 ? "" : "s");
    for (const auto& one : problems) text += "\n  " + one;
    return is_complete_ ? text + "\n" + table : text;
}

std::string table_line(std::string_view name, const RegionSize& region, std::string_view note) {
    return fmt::format("{:<10} {:>13} MiB {:>16} bytes  {}{}\n", name, format_mib(region.bytes),
                       region.bytes, to_string(region.source), note);
}

}  // namespace

std::string_view to_string(RegionSource source) {
    switch (source) {
        case RegionSource::kSet:
            return "set";
        case RegionSource::kDerived:
            return "derived";
        case RegionSource::kCapped:
            return "capped";
        case RegionSource::kDefault:
            return "default";
    }
    return "unknown";
}

Result<MemoryBudget> MemoryBudget::derive(std::span<const Setting> settings,
                                          const MachineMemory& machine) {
    Derivation derivation(settings, machine, "taskmanager.memory.");
    MemoryBudget budget = derivation.task_manager();
    if (std::string text = derivation.refusal(budget.table()); !text.empty()) {
        return std::unexpected(Error{Code::kInvalidOption, std::move(text)});
    }
    budget.warnings = std::move(derivation).warnings();
    return budget;
}

std::uint32_t MemoryBudget::network_buffers() const {
    return static_cast<std::uint32_t>(network.bytes / segment_bytes);
}

std::string MemoryBudget::table() const {
    return table_line("process", process, "") + table_line("  total", total, "") +
           table_line("  framework", framework, "") + table_line("  task", task, "") +
           table_line("  managed", managed,
                      fmt::format(", {} pages, {} slots of {} MiB", managed_pages(), slot_count,
                                  format_mib(slot_bytes()))) +
           table_line("  network", network, fmt::format(", {} buffers", network_buffers())) +
           table_line("  overhead", overhead, "");
}

Status MemoryBudget::check_idle_resident(std::uint64_t resident_bytes,
                                         std::uint64_t committed_page_bytes) const {
    const std::uint64_t own =
        resident_bytes > committed_page_bytes ? resident_bytes - committed_page_bytes : 0;
    const std::uint64_t room = framework.bytes + overhead.bytes;
    if (own <= room) return {};
    return fail(Code::kInvalidOption,
                "the idle process is larger than its framework and overhead regions: resident {}, "
                "framework {} + overhead {}. Hint: raise taskmanager.memory.framework.size or "
                "taskmanager.memory.overhead.min.",
                format_rounded(own), format_rounded(framework.bytes),
                format_rounded(overhead.bytes));
}

Result<JobManagerBudget> JobManagerBudget::derive(std::span<const Setting> settings,
                                                  const MachineMemory& machine) {
    Derivation derivation(settings, machine, "jobmanager.memory.");
    JobManagerBudget budget = derivation.job_manager();
    if (std::string text = derivation.refusal(budget.table()); !text.empty()) {
        return std::unexpected(Error{Code::kInvalidOption, std::move(text)});
    }
    budget.warnings = std::move(derivation).warnings();
    return budget;
}

std::string JobManagerBudget::table() const {
    return table_line("process", process, "") + table_line("  working", working, "") +
           table_line("  overhead", overhead, "");
}

}  // namespace millrace::memory
