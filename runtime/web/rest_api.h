// The JobManager's REST API: Flink's paths and keys where the concept is the same, ours beside
// them.
//
// Answers come from the JobManager's own state, on its loop. Paths take an optional `/v1`, and a
// job by id, unique prefix of an id, or name. Errors on Flink's paths are {"errors": [...]}; on
// ours, or where the client asks for it, application/problem+json.
//
// Threads:    the control loop's.
// Ownership:  borrows the JobManager, the registry and the document reader.
// Limits:     those of the HTTP server; a job document has at most kDocumentBytesMax.
// Failure:    every fault of a request is an answer with the right status; none is fatal.

#pragma once

#include <functional>
#include <string>
#include <vector>

#include "proto/job.pb.h"
#include "runtime/base/metrics.h"
#include "runtime/jobmanager/jobmanager.h"
#include "runtime/net/http_message.h"
#include "runtime/net/http_server.h"
#include "runtime/web/process_api.h"

namespace millrace::web {

inline constexpr std::size_t kDocumentBytesMax = std::size_t{1} << 20;

// What reading a job document came to: a job, or what is wrong with it as ready JSON objects
// ({code, severity, file, line, col, path, message, fix}).
struct DocumentOutcome {
    bool is_valid = false;
    proto::Job job;
    std::string diagnostics_json = "[]";
};
using ReadDocument = std::function<DocumentOutcome(const std::string& document)>;

class RestApi {
  public:
    RestApi(jobmanager::JobManager& jobmanager, const metrics::Registry& metrics,
            ReadDocument read_document, std::string version);

    void handle(const net::HttpRequest& request, net::HttpResponder responder);

  private:
    struct Route;
    using Segments = std::vector<std::string_view>;

    net::HttpResponse get(const net::HttpRequest& request, const Segments& path);
    net::HttpResponse get_job(const net::HttpRequest& request, const Segments& path);
    net::HttpResponse patch_job(const net::HttpRequest& request, const Segments& path);
    net::HttpResponse validate(const net::HttpRequest& request);
    void submit(const net::HttpRequest& request, net::HttpResponder responder);

    jobmanager::JobManager& jobmanager_;
    const ProcessApi process_;
    const ReadDocument read_document_;
    const std::string version_;
};

}  // namespace millrace::web
