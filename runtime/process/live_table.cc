#include "runtime/process/live_table.h"

#include <algorithm>
#include <map>
#include <string_view>

#include <fmt/core.h>
#include <sys/ioctl.h>
#include <unistd.h>

namespace millrace::process {
namespace {

// Elsewhere than on a terminal: one line each ten seconds, and the first as soon as there is
// something to tell.
constexpr int kDrawsPerLine = 10;
constexpr int kFirstLineDraw = 2;

struct Sums {
    std::uint64_t read = 0;
    std::uint64_t rejected = 0;
    std::int64_t lag = 0;
};

Sums sums_of(const jobmanager::JobEntry& entry) {
    const graph::JobGraph& graph = entry.master.graph();
    Sums sums;
    for (const auto& [key, report] : entry.reports) {
        const graph::Vertex& vertex = graph.vertices[key.first];
        sums.rejected += report.records_rejected();
        if (graph.operators[vertex.operators.front()].kind != graph::OperatorKind::kSource)
            continue;
        sums.read += report.records_in();
        sums.lag += std::max<std::int64_t>(report.pending_records(), 0);
    }
    return sums;
}

std::string figure(bool is_known, double value, int digits) {
    return is_known ? fmt::format("{:.{}f}", value, digits) : "-";
}

// A row a model; nothing without models. With names of up to 20 letters it fits 80 columns.
std::string model_rows(const jobmanager::JobEntry& entry) {
    constexpr auto kRow = "  {:<{}}{:>8}{:>11}{:>9}{:>11}{:>7}{:>11}\n";
    if (entry.models.empty()) return "";
    std::size_t width = std::string_view("MODEL").size();
    for (const auto& [name, model] : entry.models) width = std::max(width, name.size());
    std::string rows = fmt::format(kRow, "MODEL", width, "VERSION", "LEARNED", "LOGLOSS",
                                   "BASE RATE", "AUC", "PRED/REAL");
    for (const auto& [name, model] : entry.models) {
        rows += fmt::format(kRow, name, width, model.version(), model.rows_learned(),
                            figure(model.has_logloss(), model.logloss(), 4),
                            figure(model.has_logloss_baseline(), model.logloss_baseline(), 4),
                            figure(model.has_auc(), model.auc(), 3),
                            figure(model.has_calibration(), model.calibration(), 2));
    }
    return rows;
}

// Which steps found them, and where they went; nothing without bad records.
std::string bad_line(const jobmanager::JobEntry& entry) {
    std::map<std::string, std::uint64_t> counts;
    for (const auto& [key, report] : entry.reports) {
        if (report.records_rejected() == 0) continue;
        counts[entry.master.graph().vertices[key.first].name] += report.records_rejected();
    }
    if (counts.empty()) return "";
    std::string text;
    for (const auto& [step, count] : counts)
        text += fmt::format("{}{} in {}", text.empty() ? "" : ", ", count, step);
    std::string sinks;
    for (const proto::Sink& sink : entry.job.sinks()) {
        if (sink.from() == "errors") sinks += (sinks.empty() ? "" : ", ") + sink.name();
    }
    return fmt::format("  bad records: {}; {}\n", text,
                       sinks.empty() ? "dropped: no sink has `from: errors`" : "sent to " + sinks);
}

// 0 when it is not known.
std::size_t columns_of(int terminal) {
    winsize size{};
    return ioctl(terminal, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

// `text` with no line longer than `columns`: a line that wraps could not be drawn over again.
std::string cut_to(std::string_view text, std::size_t columns) {
    std::string cut;
    for (std::size_t begin = 0; begin < text.size();) {
        const std::size_t end = std::min(text.find('\n', begin), text.size());
        const std::size_t length = end - begin;
        cut += text.substr(begin, columns == 0 ? length : std::min(length, columns - 1));
        cut += '\n';
        begin = end + 1;
    }
    return cut;
}

}  // namespace

LiveTable::LiveTable(const Clock& clock, bool is_stdout_used)
    : clock_(clock),
      is_terminal_(isatty(STDERR_FILENO) == 1 && !(is_stdout_used && isatty(STDOUT_FILENO) == 1)),
      began_(clock.now()),
      drawn_at_(began_) {}

std::string LiveTable::text_of(const jobmanager::JobEntry& entry) {
    const Sums sums = sums_of(entry);
    const TimePoint now = clock_.now();
    const double seconds = std::max(std::chrono::duration<double>(now - drawn_at_).count(), 1e-3);
    const double rate = static_cast<double>(sums.read - std::min(rows_drawn_, sums.read)) / seconds;
    rows_drawn_ = sums.read;
    drawn_at_ = now;
    std::string text =
        fmt::format("{:>5.0f} s  {:<10} {:>8.0f} events/s  {:>10} read  lag {:<7} bad {}\n",
                    std::chrono::duration<double>(now - began_).count(),
                    to_string(entry.master.state()), rate, sums.read, sums.lag, sums.rejected);
    if (!entry.master.missing_room().empty())
        text += fmt::format("  waits for room: {}\n", entry.master.missing_room());
    text += bad_line(entry);
    text += model_rows(entry);
    for (const auto& [key, report] : entry.reports) {
        // Subtasks often share one cause.
        if (!report.trouble().empty() && !text.contains(report.trouble()))
            text += fmt::format("  trouble: {}\n", report.trouble());
    }
    return text;
}

void LiveTable::draw(const jobmanager::JobEntry& entry) {
    if (!is_terminal_ && ++draws_ % kDrawsPerLine != kFirstLineDraw) return;
    const std::string text = text_of(entry);
    erase();
    fmt::print(stderr, "{}", is_terminal_ ? cut_to(text, columns_of(STDERR_FILENO)) : text);
    lines_drawn_ = static_cast<int>(std::count(text.begin(), text.end(), '\n'));
}

void LiveTable::announce(const std::string& line) {
    erase();
    fmt::print(stderr, "{}\n", line);
}

void LiveTable::finish(const jobmanager::JobEntry& entry) {
    erase();
    rows_drawn_ = 0;
    drawn_at_ = began_;
    fmt::print(stderr, "{}", text_of(entry));
}

void LiveTable::erase() {
    if (is_terminal_ && lines_drawn_ > 0) fmt::print(stderr, "\x1b[{}A\x1b[J", lines_drawn_);
    lines_drawn_ = 0;
}

}  // namespace millrace::process
