#include "tests/graph/job_text.h"

#include <google/protobuf/text_format.h>

#include "runtime/base/check.h"

namespace millrace::graph {

proto::Job job_from(const std::string& text) {
    proto::Job job;
    MILLRACE_CHECK(google::protobuf::TextFormat::ParseFromString(text, &job));
    return job;
}

proto::Job ctr_job() {
    return job_from(R"pb(
        name: "ctr"
        sources {
          name: "impressions"
          parallelism: 4
          kafka { topic: "ad_clicks" }
        }
        models { name: "ctr" features: "f" }
        models { name: "bayes" features: "f" }
        steps {
          name: "scored"
          from: "impressions"
          parallelism: 16
          predict { models: "ctr" models: "bayes" }
        }
        steps {
          name: "learn"
          from: "impressions"
          parallelism: 8
          train { models: "ctr" models: "bayes" }
        }
        steps {
          name: "quality"
          from: "impressions"
          parallelism: 1
          evaluate { models: "ctr" models: "bayes" }
        }
        sinks {
          name: "predictions"
          from: "scored"
          kafka { topic: "ad_predictions" }
        }
        sinks {
          name: "metrics"
          from: "quality"
          kafka { topic: "ad_quality" }
        }
        sinks {
          name: "bad"
          from: "errors"
          kafka { topic: "ctr_dlq" }
        }
    )pb");
}

}  // namespace millrace::graph
