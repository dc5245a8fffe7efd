#include "runtime/cli/progress_text.h"

#include <algorithm>
#include <string_view>

#include <fmt/core.h>

#include "runtime/cli/json_fields.h"

namespace millrace::cli {
namespace {

namespace json = boost::json;

constexpr std::string_view kNameTitle = "STEP";
constexpr std::string_view kAbsent = "-";  // What real_at says of a number that is not there.

std::size_t longest_name(const json::array& entries, std::size_t at_least) {
    for (const json::value& entry : entries)
        at_least = std::max(at_least, text_at(entry, "name").size());
    return at_least;
}

// The row, and below it what keeps the step from going on: it is longer than any column.
std::string step_text(const json::value& step, std::size_t name_width) {
    std::string text =
        fmt::format("  {:<{}} {:>3} {:>11} {:>11} {:>8} {:>9} {:>5.0f} % {:>5.0f} %\n",
                    text_at(step, "name"), name_width, number_at(step, "parallelism"),
                    number_at(step, "records-in"), number_at(step, "records-out"),
                    number_at(step, "records-rejected"), number_at(step, "pending-records"),
                    static_cast<double>(number_at(step, "busy-ms-per-second-max")) / 10,
                    static_cast<double>(number_at(step, "back-pressured-ms-per-second-max")) / 10);
    const std::string trouble = text_at(step, "trouble");
    if (!trouble.empty()) text += fmt::format("    trouble: {}\n", trouble);
    return text;
}

// The quality only where a step has measured it.
std::string model_text(const json::value& model, std::size_t name_width) {
    std::string text =
        fmt::format("  model {:<{}}  version {:<7} learned {}", text_at(model, "name"), name_width,
                    number_at(model, "version"), number_at(model, "rows-learned"));
    const json::value* q = model.as_object().if_contains("quality");
    if (q != nullptr && real_at(*q, "logloss") != kAbsent) {
        text += fmt::format("  logloss {} (base rate {})  AUC {}  calibration {}",
                            real_at(*q, "logloss"), real_at(*q, "logloss-baseline"),
                            real_at(*q, "auc"), real_at(*q, "calibration"));
    }
    const std::string digest = text_at(model, "digest");
    if (!digest.empty()) text += "  digest " + digest;
    return text + "\n";
}

}  // namespace

std::string progress_text(const json::value& progress) {
    const std::int64_t restarts = number_at(progress, "restarts");
    std::string text =
        fmt::format("job {} ({})  {}  attempt {}, {} restart{}\n", text_at(progress, "name"),
                    text_at(progress, "jid"), text_at(progress, "state"),
                    number_at(progress, "attempt"), restarts, restarts == 1 ? "" : "s");
    const std::string cause = text_at(progress, "last-failure");
    if (!cause.empty()) text += fmt::format("last failure: {}\n", cause);
    const std::string missing = text_at(progress, "waits-for");
    if (!missing.empty()) text += fmt::format("waits for room: {}\n", missing);
    const json::array& steps = list_at(progress, "steps");
    const std::size_t step_width = longest_name(steps, kNameTitle.size());
    text += fmt::format("  {:<{}} {:>3} {:>11} {:>11} {:>8} {:>9} {:>7} {:>7}\n", kNameTitle,
                        step_width, "P", "IN", "OUT", "BAD", "LAG", "BUSY", "BLOCKED");
    for (const json::value& step : steps) text += step_text(step, step_width);
    const json::array& models = list_at(progress, "models");
    const std::size_t model_width = longest_name(models, 0);
    for (const json::value& model : models) text += model_text(model, model_width);
    return text;
}

}  // namespace millrace::cli
