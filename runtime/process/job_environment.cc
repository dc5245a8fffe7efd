#include "runtime/process/job_environment.h"

#include "proto/job.pb.h"

namespace millrace::process {
namespace {

proto::SplitAssignment whole_input(const proto::Source& source) {
    proto::SplitAssignment split;
    split.set_name(source.has_file() ? source.file().path() : source.name());
    return split;
}

}  // namespace

void JobEnvironment::set_default_brokers(std::string brokers) {
    clusters_.push_back({.name = "default", .brokers = std::move(brokers), .properties = {}});
}

Result<std::vector<proto::SplitAssignment>> JobEnvironment::resolve(const proto::Job& job,
                                                                    int index) {
    const proto::Source& source = job.sources(index);
    return std::vector{whole_input(source)};
}

Result<std::vector<proto::SplitAssignment>> JobEnvironment::look_again(const proto::Job& job,
                                                                       int index) {
    return resolve(job, index);
}

Status JobEnvironment::check_sink(const proto::Job&, int) { return {}; }

Result<std::vector<proto::KafkaConnection>> JobEnvironment::connections(const proto::Job&) {
    return std::vector<proto::KafkaConnection>{};
}

}  // namespace millrace::process
