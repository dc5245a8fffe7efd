#include "runtime/config/yaml_tree.h"

#include <algorithm>
#include <map>
#include <utility>

#include <fmt/format.h>
#include <yaml.h>

#include "runtime/base/check.h"
#include "runtime/config/yaml_problem.h"

namespace millrace::config {
namespace {

// A handle on libyaml's parser.
class Parser {
  public:
    explicit Parser(std::string_view text) {
        MILLRACE_CHECK(yaml_parser_initialize(&parser_) == 1);
        yaml_parser_set_encoding(&parser_, YAML_UTF8_ENCODING);
        yaml_parser_set_input_string(&parser_, reinterpret_cast<const unsigned char*>(text.data()),
                                     text.size());
    }
    ~Parser() { yaml_parser_delete(&parser_); }
    Parser(const Parser&) = delete;
    Parser& operator=(const Parser&) = delete;

    [[nodiscard]] yaml_parser_t* get() { return &parser_; }

  private:
    yaml_parser_t parser_;
};

// One event; freed when the next one is read.
class Event {
  public:
    Event() = default;
    ~Event() { clear(); }
    Event(const Event&) = delete;
    Event& operator=(const Event&) = delete;

    [[nodiscard]] bool read(Parser& parser) {
        clear();
        filled_ = yaml_parser_parse(parser.get(), &event_) == 1;
        return filled_;
    }
    [[nodiscard]] const yaml_event_t& get() const { return event_; }

  private:
    void clear() {
        if (filled_) {
            yaml_event_delete(&event_);
            filled_ = false;
        }
    }
    yaml_event_t event_{};
    bool filled_ = false;
};

std::string text_of(const yaml_char_t* text) {
    return text == nullptr ? "" : reinterpret_cast<const char*>(text);
}

// A plain text in which more parentheses open than close.
bool has_open_parenthesis(const YamlNode& node) {
    return node.kind == YamlNode::Kind::kScalar && node.plain &&
           std::ranges::count(node.text, '(') > std::ranges::count(node.text, ')');
}

std::string in_single_quotes(std::string_view text) {
    std::string quoted = "'";
    for (const char letter : text) quoted += letter == '\'' ? "''" : std::string(1, letter);
    return quoted + "'";
}

std::size_t count_nodes(const YamlNode& node) {
    std::size_t count = 1;
    for (const YamlEntry& entry : node.entries) {
        count += count_nodes(entry.value);
    }
    for (const YamlNode& item : node.items) {
        count += count_nodes(item);
    }
    return count;
}

std::size_t count_bytes(const YamlNode& node) {
    std::size_t count = node.text.size();
    for (const YamlEntry& entry : node.entries) {
        count += entry.key.size() + count_bytes(entry.value);
    }
    for (const YamlNode& item : node.items) {
        count += count_bytes(item);
    }
    return count;
}

std::size_t depth_of(const YamlNode& node) {
    std::size_t deepest = 0;
    for (const YamlEntry& entry : node.entries) {
        deepest = std::max(deepest, depth_of(entry.value));
    }
    for (const YamlNode& item : node.items) {
        deepest = std::max(deepest, depth_of(item));
    }
    return deepest + 1;
}

// Builds the tree of one document from events; stops at the first thing that cannot be read.
class TreeBuilder {
  public:
    TreeBuilder(std::string_view text, std::uint32_t file, const YamlLimits& limits)
        : text_(text), file_(file), limits_(limits), parser_(text) {}

    YamlDocument build() {
        YamlDocument document;
        YamlNode root;
        if (read_document(root)) {
            document.root = std::move(root);
        }
        document.diagnostics = std::move(diagnostics_);
        document.is_empty = is_empty_;
        return document;
    }

  private:
    bool read_document(YamlNode& root) {
        if (!next() || !next()) {  // The stream's start, the document's start.
            return false;
        }
        if (type() == YAML_STREAM_END_EVENT) {
            is_empty_ = true;
            return refuse("E009", "the file is empty", "begin with `version: 1`");
        }
        if (!next() || !read_node(root, "", 1) || !next() || !next()) {
            return false;
        }
        if (type() != YAML_STREAM_END_EVENT) {
            return refuse("E009", "a second document begins here",
                          "keep one job in a file; remove `---`");
        }
        return true;
    }

    bool read_node(YamlNode& node, const std::string& path, std::size_t depth) {
        node.mark = mark();
        if (++nodes_ > limits_.nodes_max) {
            return refuse_nodes();
        }
        if (depth > limits_.depth_max) {
            return refuse_depth();
        }
        switch (type()) {
            case YAML_ALIAS_EVENT:
                return read_alias(node, depth);
            case YAML_SCALAR_EVENT:
                return read_scalar(node);
            case YAML_SEQUENCE_START_EVENT:
                return read_sequence(node, path, depth);
            case YAML_MAPPING_START_EVENT:
                return read_mapping(node, path, depth);
            default:
                return refuse("E001", "a value is missing here", "");
        }
    }

    bool read_alias(YamlNode& node, std::size_t depth) {
        const std::string name = text_of(event_.get().data.alias.anchor);
        const auto found = anchors_.find(name);
        if (found == anchors_.end()) {
            return refuse("E007", fmt::format("no value above is named &{}", name), "");
        }
        if (++aliases_ > limits_.aliases_max) {
            return refuse("E003", fmt::format("more than {} aliases", limits_.aliases_max), "");
        }
        nodes_ += count_nodes(found->second) - 1;
        if (nodes_ > limits_.nodes_max) {
            return refuse_nodes();
        }
        if (!count_copy(found->second)) {
            return false;
        }
        if (depth - 1 + depth_of(found->second) > limits_.depth_max) {
            return refuse_depth();
        }
        node = found->second;
        return true;
    }

    bool read_scalar(YamlNode& node) {
        const auto& scalar = event_.get().data.scalar;
        if (!untagged(scalar.tag)) {
            return false;
        }
        node.kind = YamlNode::Kind::kScalar;
        node.plain = scalar.style == YAML_PLAIN_SCALAR_STYLE;
        const bool quoted = scalar.style == YAML_SINGLE_QUOTED_SCALAR_STYLE ||
                            scalar.style == YAML_DOUBLE_QUOTED_SCALAR_STYLE;
        if (quoted && node.mark.end_line > node.mark.line) {
            open_quote_ = node.mark;
        }
        node.text.assign(reinterpret_cast<const char*>(scalar.value), scalar.length);
        // Checked as a whole, a path is used up to its first NUL: another one than was checked.
        if (node.text.find('\0') != std::string::npos) {
            return refuse("E008", "a text holds the character NUL", "remove \\0");
        }
        return keep_anchor(text_of(scalar.anchor), node);
    }

    bool read_sequence(YamlNode& node, const std::string& path, std::size_t depth) {
        if (!untagged(event_.get().data.sequence_start.tag)) {
            return false;
        }
        const std::string anchor = text_of(event_.get().data.sequence_start.anchor);
        node.kind = YamlNode::Kind::kSequence;
        for (;;) {
            if (!next()) {
                return false;
            }
            if (type() == YAML_SEQUENCE_END_EVENT) {
                break;
            }
            YamlNode item;
            if (!read_node(item, path_of(path, node.items.size()), depth + 1)) {
                return false;
            }
            node.items.push_back(std::move(item));
        }
        return keep_anchor(anchor, node);
    }

    bool read_mapping(YamlNode& node, const std::string& path, std::size_t depth) {
        if (!untagged(event_.get().data.mapping_start.tag)) {
            return false;
        }
        const std::string anchor = text_of(event_.get().data.mapping_start.anchor);
        const bool is_flow = event_.get().data.mapping_start.style == YAML_FLOW_MAPPING_STYLE;
        node.kind = YamlNode::Kind::kMapping;
        std::map<std::string, std::uint32_t> lines;  // Where each key was first given.
        for (;;) {
            if (!next()) {
                return false;
            }
            if (type() == YAML_MAPPING_END_EVENT) {
                break;
            }
            YamlEntry entry;
            if (!read_entry(entry, path, depth)) {
                return false;
            }
            if (is_flow && is_rest_of_value(entry, node)) {
                join_cut_value(node.entries.back(), entry, path);
            } else {
                add_entry(node, std::move(entry), path, lines);
            }
        }
        return keep_anchor(anchor, node);
    }

    bool read_entry(YamlEntry& entry, const std::string& path, std::size_t depth) {
        if (type() != YAML_SCALAR_EVENT) {
            return refuse("E001", "a key is one word, not a list, a mapping or an alias", "");
        }
        YamlNode key;
        ++nodes_;
        if (!read_scalar(key)) {
            return false;
        }
        entry.key = std::move(key.text);
        entry.key_mark = mark();
        if (entry.key.size() > limits_.key_bytes_max) {
            return refuse("E003", fmt::format("a key longer than {} bytes", limits_.key_bytes_max),
                          "");
        }
        if (entry.key == "<<") {
            return refuse(
                "E007", "merge keys are not supported",
                "write the keys out, or put them into a layer: -f base.yaml -f this.yaml");
        }
        return next() && read_node(entry.value, path_of(path, entry.key), depth + 1);
    }

    void add_entry(YamlNode& node, YamlEntry entry, const std::string& path,
                   std::map<std::string, std::uint32_t>& lines) {
        const auto [first, is_new] = lines.emplace(entry.key, entry.key_mark.line);
        if (is_new) {
            node.entries.push_back(std::move(entry));
        } else {
            report_duplicate(entry, path, first->second);
        }
    }

    // Inside braces a comma ends a text without quotes: of { where: f(a, 0) > 1 } YAML makes the
    // value `f(a` and the key `0) > 1`.
    static bool is_rest_of_value(const YamlEntry& entry, const YamlNode& node) {
        const bool is_bare = entry.value.is_null() && entry.value.text.empty();
        return is_bare && !node.entries.empty() && has_open_parenthesis(node.entries.back().value);
    }

    void join_cut_value(YamlEntry& cut, const YamlEntry& rest, const std::string& path) {
        YamlNode& value = cut.value;
        value.text += ", " + rest.key;
        value.mark.end_line = rest.key_mark.end_line;
        value.mark.end_column = rest.key_mark.end_column;
        const std::string key_path = path_of(path, cut.key);
        const bool is_reported = !diagnostics_.empty() && diagnostics_.back().code == "E017" &&
                                 diagnostics_.back().path == key_path;
        if (!is_reported) {
            diagnostics_.push_back(
                {.code = "E017",
                 .path = key_path,
                 .message = fmt::format("a comma inside {{ }} ends `{}`", key_path)});
        }
        diagnostics_.back().mark = value.mark;
        diagnostics_.back().fix = fmt::format("put quotes around the expression: {}: {}", cut.key,
                                              in_single_quotes(value.text));
    }

    void report_duplicate(const YamlEntry& entry, const std::string& path,
                          std::uint32_t first_line) {
        diagnostics_.push_back(
            {.code = "E011",
             .mark = entry.key_mark,
             .path = path_of(path, entry.key),
             .message = fmt::format("key \"{}\" is given twice in {}; the first is on line {}",
                                    entry.key, path.empty() ? "the file" : path, first_line),
             .fix = "remove one of them"});
    }

    bool untagged(const yaml_char_t* tag) {
        return tag == nullptr ||
               refuse("E007", fmt::format("the tag {} is not supported", text_of(tag)),
                      "remove it; the key says what its value is");
    }

    // Keeps a copy for aliases; copies count as values, so that nested anchors stay bounded.
    bool keep_anchor(const std::string& name, const YamlNode& node) {
        if (name.empty()) {
            return true;
        }
        nodes_ += count_nodes(node);
        if (!count_copy(node)) {
            return false;
        }
        anchors_[name] = node;
        return nodes_ <= limits_.nodes_max || refuse_nodes();
    }

    // A few long texts, copied by aliases of aliases, would fill all memory.
    bool count_copy(const YamlNode& node) {
        copied_bytes_ += count_bytes(node);
        return copied_bytes_ <= limits_.copied_bytes_max ||
               refuse("E003",
                      fmt::format("anchors and aliases copy more than {} bytes",
                                  limits_.copied_bytes_max),
                      "use fewer aliases, or shorter texts behind them");
    }

    bool refuse_nodes() {
        return refuse("E003", fmt::format("more than {} values", limits_.nodes_max),
                      "split the job, or use fewer anchors");
    }

    bool refuse_depth() {
        return refuse("E003", fmt::format("nested deeper than {} levels", limits_.depth_max), "");
    }

    bool next() {
        if (event_.read(parser_)) {
            return true;
        }
        Diagnostic problem = yaml_problem(*parser_.get(), text_, file_);
        if (open_quote_.line != 0 && open_quote_.end_line == problem.mark.line) {
            problem = {.code = "E002",
                       .mark = open_quote_,
                       .message = fmt::format("the quote opened on line {} is closed only on line "
                                              "{}, in the middle of something else",
                                              open_quote_.line, open_quote_.end_line),
                       .fix = "close it where it belongs"};
        }
        diagnostics_.push_back(std::move(problem));
        return false;
    }

    bool refuse(std::string_view code, std::string message, std::string_view fix) {
        diagnostics_.push_back({.code = std::string(code),
                                .mark = mark(),
                                .message = std::move(message),
                                .fix = std::string(fix)});
        return false;
    }

    [[nodiscard]] yaml_event_type_t type() const { return event_.get().type; }

    [[nodiscard]] Mark mark() const {
        const yaml_mark_t& start = event_.get().start_mark;
        const yaml_mark_t& end = event_.get().end_mark;
        return {file_, static_cast<std::uint32_t>(start.line + 1),
                static_cast<std::uint32_t>(start.column + 1),
                static_cast<std::uint32_t>(end.line + 1),
                static_cast<std::uint32_t>(end.column + 1)};
    }

    const std::string_view text_;
    const std::uint32_t file_;
    const YamlLimits limits_;
    Parser parser_;
    Event event_;
    Mark open_quote_;  // The last text in quotes that goes over several lines.
    std::size_t nodes_ = 0;
    std::size_t copied_bytes_ = 0;
    std::size_t aliases_ = 0;
    std::map<std::string, YamlNode> anchors_;
    std::vector<Diagnostic> diagnostics_;
    bool is_empty_ = false;
};

}  // namespace

const YamlNode* YamlNode::find(std::string_view key) const {
    for (const YamlEntry& entry : entries) {
        if (entry.key == key) {
            return &entry.value;
        }
    }
    return nullptr;
}

YamlNode* YamlNode::find(std::string_view key) {
    return const_cast<YamlNode*>(std::as_const(*this).find(key));
}

bool YamlNode::is_null() const {
    return kind == Kind::kScalar && plain && (text.empty() || text == "null" || text == "~");
}

YamlDocument read_yaml(std::string_view text, std::uint32_t file, const YamlLimits& limits) {
    if (text.size() > limits.bytes_max) {
        YamlDocument document;
        document.diagnostics.push_back(
            {.code = "E003",
             .mark = {.file = file},
             .message = fmt::format("the file has more than {} bytes", limits.bytes_max)});
        return document;
    }
    return TreeBuilder(text, file, limits).build();
}

std::string path_of(std::string_view section, std::string_view key) {
    return section.empty() ? std::string(key) : fmt::format("{}.{}", section, key);
}

std::string path_of(std::string_view list, std::size_t index) {
    return fmt::format("{}[{}]", list, index);
}

}  // namespace millrace::config
