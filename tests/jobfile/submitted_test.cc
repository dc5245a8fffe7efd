#include "runtime/jobfile/submitted.h"

#include <filesystem>
#include <fstream>

#include <catch2/catch.hpp>

#include "proto/job.pb.h"
#include "tests/jobfile/job_text.h"

namespace millrace::jobfile {
namespace {

// The codes that a job gets whose source is `source`; one sink reads it.
std::vector<std::string> codes(const std::string& source, const SubmitRules& rules,
                               const std::string& more = "") {
    const std::string text =
        "version: 1\nname: job\nschemas: { s: { a: string } }\nsources:\n  in: { " + source +
        ", schema: s }\nsinks:\n  out: { type: discard, from: in }\n" + more;
    const Validation validation = validate({{"job.yaml", text}}, {});
    INFO(report_text(validation));
    REQUIRE(validation.job != nullptr);
    std::vector<std::string> result;
    for (const auto& diagnostic : check_submitted(*validation.job, validation.places, rules)) {
        result.push_back(diagnostic.code);
    }
    return result;
}

using Codes = std::vector<std::string>;

TEST_CASE("a submitted job uses the clusters of the server", "[jobfile][submitted]") {
    REQUIRE(codes("type: kafka, topic: t", {.clusters = {"default"}}).empty());
    REQUIRE(codes("type: kafka, topic: t", {.clusters = {"ads"}}) == Codes{"E100"});
    REQUIRE(codes("type: kafka, topic: t, cluster: ads", {.clusters = {"ads"}}).empty());
}

TEST_CASE("a connection in a job needs the server's word", "[jobfile][submitted]") {
    const std::string inlined = "kafka: { clusters: { dev: { brokers: \"b:9092\" } } }\n";
    const std::string source = "type: kafka, topic: t";
    REQUIRE(codes(source, {}, inlined) == Codes{"E101"});
    REQUIRE(codes(source, {.inline_kafka_allowed = true}, inlined).empty());
    REQUIRE(codes(source, {.inline_kafka_allowed = true, .clusters = {"dev"}}, inlined) ==
            Codes{"E101"});
}

TEST_CASE("a connection in a job brings no property beyond the list", "[jobfile][submitted]") {
    const std::string inlined =
        "kafka: { clusters: { dev: { brokers: \"b:9092\", properties: { "
        "ssl.ca.location: /etc/shadow, bootstrap.servers: x, linger.ms: 5 } } } }\n";
    REQUIRE(codes("type: kafka, topic: t", {.inline_kafka_allowed = true}, inlined) ==
            Codes{"E105", "E105"});
}

TEST_CASE("the edges of a property's bounds are legal", "[jobfile][submitted]") {
    const SubmitRules rules{.clusters = {"default"}};
    const auto with = [&](const std::string& value) {
        return codes("type: kafka, topic: t, properties: { fetch.wait.max.ms: " + value + " }",
                     rules);
    };
    REQUIRE(with("0").empty());
    REQUIRE(with("5000").empty());
    REQUIRE(with("5001") == Codes{"E109"});
    REQUIRE(with("-1") == Codes{"E109"});
    REQUIRE(with("5s") == Codes{"E109"});
}

TEST_CASE("every property that is never allowed is refused", "[jobfile][submitted]") {
    const SubmitRules rules{.clusters = {"default"}};
    for (const char* name :
         {"plugin.library.paths", "ssl.engine.location", "ssl.providers", "sasl.kerberos.kinit.cmd",
          "ssl.ca.location", "ssl.certificate.location", "ssl.key.location", "ssl.crl.location",
          "ssl.keystore.location", "sasl.kerberos.keytab", "bootstrap.servers",
          "sasl.oauthbearer.token.endpoint.url", "enable.ssl.certificate.verification",
          "ssl.endpoint.identification.algorithm", "test.mock.num.brokers", "debug", "log_level",
          "log.queue"}) {
        CAPTURE(name);
        REQUIRE(codes("type: kafka, topic: t, properties: { " + std::string(name) + ": x }",
                      rules) == Codes{"E105"});
    }
}

TEST_CASE("files lie below a directory of the server", "[jobfile][submitted]") {
    REQUIRE(codes("type: file, path: /srv/a/x.json", {.file_roots = {"/srv/a"}}).empty());
    REQUIRE(codes("type: file, path: /srv/a/x.json", {}) == Codes{"E102"});
    REQUIRE(codes("type: file, path: /srv/ab/x.json", {.file_roots = {"/srv/a"}}) == Codes{"E102"});
    REQUIRE(codes("type: file, path: /srv/a/../b", {.file_roots = {"/srv/a"}}) == Codes{"E102"});
    REQUIRE(codes("type: file, path: x.json", {.file_roots = {"/"}}) == Codes{"E102"});
    REQUIRE(codes("type: file, path: /srv/a", {.file_roots = {"/srv/a"}}) == Codes{"E102"});
}

TEST_CASE("a link does not lead out of the directory", "[jobfile][submitted]") {
    namespace fs = std::filesystem;
    const fs::path root = fs::temp_directory_path() / "millrace_submitted_link";
    fs::remove_all(root);
    fs::create_directories(root / "jobs");
    std::ofstream(root / "secret") << "x";
    std::ofstream(root / "jobs" / "fine") << "x";
    fs::create_symlink(root / "secret", root / "jobs" / "link");
    const SubmitRules rules{.file_roots = {(root / "jobs").string()}};
    REQUIRE(codes("type: file, path: " + (root / "jobs" / "fine").string(), rules).empty());
    REQUIRE(codes("type: file, path: " + (root / "jobs" / "link").string(), rules) ==
            Codes{"E102"});
    fs::remove_all(root);
}

TEST_CASE("sockets are those that the server lists", "[jobfile][submitted]") {
    const std::string source = "type: socket, address: \"feed:9999\"";
    REQUIRE(codes(source, {.socket_addresses = {"feed:9999"}}).empty());
    REQUIRE(codes(source, {.socket_addresses = {"feed:999"}}) == Codes{"E103"});
}

}  // namespace
}  // namespace millrace::jobfile
