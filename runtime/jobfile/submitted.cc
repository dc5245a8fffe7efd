#include "runtime/jobfile/submitted.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <string_view>

#include <fmt/format.h>

#include "proto/job.pb.h"
#include "runtime/config/suggestion.h"
#include "runtime/config/yaml_tree.h"
#include "runtime/jobfile/complaints.h"
#include "runtime/jobfile/job_names.h"

namespace millrace::jobfile {
namespace {

using config::path_of;

// Which side a property may be set on.
enum class Side : unsigned char { kSource, kSink, kCluster };

// A property that a submitted job may set, and within which bounds: each one costs memory or time
// of the server.
struct AllowedProperty {
    std::string_view name;
    Side side;
    std::int64_t min = 0;
    std::int64_t max = 0;
    std::string_view words = "";  // Legal words, instead of a number.
};

constexpr std::int64_t kMiB = 1 << 20;
constexpr std::array kAllowed{
    AllowedProperty{"fetch.min.bytes", Side::kSource, 1, 64 * kMiB},
    AllowedProperty{"fetch.max.bytes", Side::kSource, 1024, 64 * kMiB},
    AllowedProperty{"fetch.wait.max.ms", Side::kSource, 0, 5000},
    AllowedProperty{"max.partition.fetch.bytes", Side::kSource, 1024, 64 * kMiB},
    AllowedProperty{"queued.min.messages", Side::kSource, 1, 1'000'000},
    AllowedProperty{"queued.max.messages.kbytes", Side::kSource, 1, 256 * 1024},
    AllowedProperty{"linger.ms", Side::kSink, 0, 5000},
    AllowedProperty{"batch.size", Side::kSink, 1, 64 * kMiB},
    AllowedProperty{"batch.num.messages", Side::kSink, 1, 1'000'000},
    AllowedProperty{"compression.type", Side::kSink, 0, 0, "none gzip snappy lz4 zstd"},
    AllowedProperty{"compression.level", Side::kSink, -1, 22},
    AllowedProperty{"message.max.bytes", Side::kSink, 1000, 64 * kMiB},
    AllowedProperty{"delivery.timeout.ms", Side::kSink, 1000, 3'600'000},
};

// Never from a submitted job, whatever the list above becomes. A '*' stands for any text.
struct NeverProperty {
    std::string_view pattern;
    std::string_view why;
};
constexpr std::array kNever{
    NeverProperty{"plugin.library.paths", "it loads code into the server"},
    NeverProperty{"ssl.engine.location", "it loads code into the server"},
    NeverProperty{"ssl.providers", "it loads code into the server"},
    NeverProperty{"sasl.kerberos.kinit.cmd", "it runs a command on the server"},
    NeverProperty{"ssl.*.location", "it probes files of the server"},
    NeverProperty{"sasl.kerberos.keytab", "it probes files of the server"},
    NeverProperty{"bootstrap.servers", "it makes the server connect anywhere"},
    NeverProperty{"metadata.broker.list", "it makes the server connect anywhere"},
    NeverProperty{"sasl.oauthbearer.token.endpoint.url", "it makes the server connect anywhere"},
    NeverProperty{"enable.ssl.certificate.verification", "it switches off verification"},
    NeverProperty{"ssl.endpoint.identification.algorithm", "it switches off verification"},
    NeverProperty{"test.mock.*", "it replaces the broker"},
    NeverProperty{"debug", "it leaks records to logs"},
    NeverProperty{"log*", "it leaks records to logs"},
};

bool matches(std::string_view name, std::string_view pattern) {
    const std::size_t star = pattern.find('*');
    if (star == std::string_view::npos) {
        return name == pattern;
    }
    const std::string_view head = pattern.substr(0, star);
    const std::string_view tail = pattern.substr(star + 1);
    return name.size() >= head.size() + tail.size() && name.starts_with(head) &&
           name.ends_with(tail);
}

bool has_word(std::string_view words, std::string_view word) {
    for (std::size_t start = 0; start < words.size();) {
        const std::size_t end = std::min(words.find(' ', start), words.size());
        if (words.substr(start, end - start) == word) {
            return true;
        }
        start = end + 1;
    }
    return false;
}

bool is_within(const AllowedProperty& allowed, std::string_view text) {
    if (!allowed.words.empty()) {
        return has_word(allowed.words, text);
    }
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc() && end == text.data() + text.size() && value >= allowed.min &&
           value <= allowed.max;
}

std::string resolved(const std::string& path) {
    std::error_code error;
    const std::filesystem::path result = std::filesystem::weakly_canonical(path, error);
    return error ? "" : result.string();
}

class SubmitCheck {
  public:
    SubmitCheck(const proto::Job& job, const SubmitRules& rules, Complaints& complaints)
        : job_(job), rules_(rules), complaints_(complaints) {}

    void run() {
        check_inline_clusters();
        for (const proto::Source& source : job_.sources()) {
            const std::string path = "sources." + source.name();
            if (source.has_kafka()) {
                check_cluster(source.kafka().cluster(), path);
                check_properties(source.kafka().properties(), Side::kSource, path);
            } else if (source.has_file()) {
                check_path(source.file().path(), path_of(path, "path"));
            } else if (source.has_socket()) {
                check_address(source.socket().address(), path_of(path, "address"));
            }
        }
        for (const proto::Sink& sink : job_.sinks()) {
            const std::string path = "sinks." + sink.name();
            if (sink.has_kafka()) {
                check_cluster(sink.kafka().cluster(), path);
                check_properties(sink.kafka().properties(), Side::kSink, path);
            } else if (sink.has_file()) {
                check_path(sink.file().path(), path_of(path, "path"));
            }
        }
    }

  private:
    void check_inline_clusters() {
        for (const proto::KafkaCluster& cluster : job_.kafka().clusters()) {
            const std::string path = "kafka.clusters." + cluster.name();
            if (!rules_.inline_kafka_allowed) {
                complaints_.key("E101", path, "a submitted job cannot say where to connect to",
                                fmt::format("name a cluster of the server ({}), or start the "
                                            "JobManager with --allow-inline-kafka",
                                            offered()));
            } else if (std::ranges::find(rules_.clusters, cluster.name()) !=
                       rules_.clusters.end()) {
                complaints_.key("E101", path,
                                fmt::format("the server has a cluster \"{}\" too", cluster.name()),
                                "choose another name");
            } else {
                check_properties(cluster.properties(), Side::kCluster, path);
            }
        }
    }

    std::string offered() const {
        const std::vector<std::string_view> known(rules_.clusters.begin(), rules_.clusters.end());
        return known.empty() ? "it has none" : config::listed(known);
    }

    void check_cluster(const std::string& name, const std::string& path) {
        const bool inlined = std::ranges::any_of(
            job_.kafka().clusters(),
            [&](const proto::KafkaCluster& cluster) { return cluster.name() == name; });
        if (inlined || std::ranges::find(rules_.clusters, name) != rules_.clusters.end()) {
            return;
        }
        const std::vector<std::string_view> known(rules_.clusters.begin(), rules_.clusters.end());
        complaints_.value(
            "E100", path_of(path, "cluster"),
            fmt::format("the server has no Kafka cluster named \"{}\"", name),
            known.empty() ? "start the JobManager with --kafka HOST:PORT for `default`, or name "
                            "clusters in its configuration: kafka.clusters.NAME.brokers"
                          : config::suggestion(name, known));
    }

    template <class Properties>
    void check_properties(const Properties& properties, Side side, const std::string& path) {
        for (const proto::Property& property : properties) {
            check_property(property, side, path_of(path_of(path, "properties"), property.name()));
        }
    }

    void check_property(const proto::Property& property, Side side, const std::string& path) {
        for (const NeverProperty& never : kNever) {
            if (matches(property.name(), never.pattern)) {
                complaints_.key(
                    "E105", path,
                    fmt::format("a submitted job cannot set {}: {}", property.name(), never.why),
                    "the server's operator can set it for a cluster");
                return;
            }
        }
        std::vector<std::string_view> known;
        for (const AllowedProperty& allowed : kAllowed) {
            if (side != Side::kCluster && allowed.side != side) {
                continue;
            }
            known.push_back(allowed.name);
            if (allowed.name == property.name()) {
                check_bounds(allowed, property, path);
                return;
            }
        }
        complaints_.key("E106", path, fmt::format("a submitted job cannot set {}", property.name()),
                        config::suggestion(property.name(), known));
    }

    void check_bounds(const AllowedProperty& allowed, const proto::Property& property,
                      const std::string& path) {
        if (is_within(allowed, property.value())) {
            return;
        }
        complaints_.value("E109", path,
                          fmt::format("{} cannot be \"{}\" in a submitted job", property.name(),
                                      property.value()),
                          allowed.words.empty()
                              ? fmt::format("write {} to {}", allowed.min, allowed.max)
                              : fmt::format("write one of: {}", allowed.words));
    }

    void check_path(const std::string& path, const std::string& where) {
        const std::string real = real_path(path);
        const bool inside = std::ranges::any_of(rules_.file_roots, [&](const std::string& root) {
            const std::string real_root = real_path(root);
            return !real_root.empty() && real.starts_with(real_root + "/");
        });
        if (!inside || !path.starts_with('/')) {
            const std::vector<std::string_view> roots(rules_.file_roots.begin(),
                                                      rules_.file_roots.end());
            complaints_.value(
                "E102", where, fmt::format("a submitted job cannot use the file {}", path),
                roots.empty() ? "start the JobManager with --file-root DIRECTORY; without it a "
                                "submitted job uses no files"
                              : fmt::format("use a path below {}", config::listed(roots)));
        }
    }

    std::string real_path(const std::string& path) const {
        std::string real = rules_.resolve_path ? rules_.resolve_path(path) : resolved(path);
        while (real.ends_with('/')) {
            real.pop_back();
        }
        return real;
    }

    void check_address(const std::string& address, const std::string& where) {
        if (std::ranges::find(rules_.socket_addresses, address) == rules_.socket_addresses.end()) {
            const std::vector<std::string_view> known(rules_.socket_addresses.begin(),
                                                      rules_.socket_addresses.end());
            complaints_.value(
                "E103", where, fmt::format("a submitted job cannot connect to {}", address),
                known.empty() ? "start the JobManager with --socket-address HOST:PORT; without it "
                                "a submitted job connects nowhere"
                              : config::suggestion(address, known));
        }
    }

    const proto::Job& job_;
    const SubmitRules& rules_;
    Complaints& complaints_;
};

}  // namespace

std::vector<config::Diagnostic> check_submitted(const proto::Job& job, const Places& places,
                                                const SubmitRules& rules) {
    std::vector<config::Diagnostic> diagnostics;
    const Damage none({}, places);
    Complaints complaints(places, none, diagnostics);
    SubmitCheck(job, rules, complaints).run();
    config::sort_by_place(diagnostics);
    return diagnostics;
}

}  // namespace millrace::jobfile
