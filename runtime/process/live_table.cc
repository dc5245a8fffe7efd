#include "runtime/process/live_table.h"

#include <algorithm>

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

std::string model_line(const proto::ModelReport& model) {
    std::string text = fmt::format("  {:<12} version {:<6} learned {}", model.model(),
                                   model.version(), model.rows_learned());
    if (model.has_logloss() && model.has_logloss_baseline()) {
        text += fmt::format("  logloss {:.4f} (base rate {:.4f})", model.logloss(),
                            model.logloss_baseline());
    }
    if (model.has_auc()) text += fmt::format("  AUC {:.3f}", model.auc());
    if (model.has_calibration())
        text += fmt::format("  predicted/real {:.2f}", model.calibration());
    return text + "\n";
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
        fmt::format("{:>6.0f} s  {:<10} {:>9.0f} events/s  {:>11} read  lag {:<8} bad {}\n",
                    std::chrono::duration<double>(now - began_).count(),
                    to_string(entry.master.state()), rate, sums.read, sums.lag, sums.rejected);
    if (!entry.master.missing_room().empty())
        text += fmt::format("  waits for room: {}\n", entry.master.missing_room());
    for (const auto& [name, model] : entry.models) text += model_line(model);
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
