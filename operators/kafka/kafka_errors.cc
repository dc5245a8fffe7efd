#include "operators/kafka/kafka_errors.h"

namespace millrace::operators {
namespace {

// "localhost:9092/1: Connect to ... failed" begins with the address that the broker advertised.
std::string_view leading_address(std::string_view reason) {
    return reason.substr(0, reason.find_first_of("/ "));
}

}  // namespace

Code code_of(rd_kafka_resp_err_t error) {
    switch (error) {
        case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
        case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
        case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
        case RD_KAFKA_RESP_ERR_GROUP_ID_NOT_FOUND:
            return Code::kNotFound;
        case RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS:
            return Code::kAlreadyExists;
        case RD_KAFKA_RESP_ERR__AUTHENTICATION:
        case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
        case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
        case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
        case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
            return Code::kPermissionDenied;
        case RD_KAFKA_RESP_ERR__TIMED_OUT:
        case RD_KAFKA_RESP_ERR__MSG_TIMED_OUT:
        case RD_KAFKA_RESP_ERR__TIMED_OUT_QUEUE:
            return Code::kDeadlineExceeded;
        case RD_KAFKA_RESP_ERR__BAD_MSG:
        case RD_KAFKA_RESP_ERR__BAD_COMPRESSION:
        case RD_KAFKA_RESP_ERR__NOT_IMPLEMENTED:
        case RD_KAFKA_RESP_ERR_INVALID_MSG:
            return Code::kCorruption;
        case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
        case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE:
        case RD_KAFKA_RESP_ERR__INVALID_ARG:
        case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
        case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION:
        case RD_KAFKA_RESP_ERR_INVALID_PARTITIONS:
        case RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR:
        case RD_KAFKA_RESP_ERR_POLICY_VIOLATION:
            return Code::kInvalidArgument;
        case RD_KAFKA_RESP_ERR__FENCED:
            return Code::kStale;
        default:
            return Code::kUnavailable;
    }
}

std::string hint_of(rd_kafka_resp_err_t error, std::string_view brokers, std::string_view reason) {
    switch (error) {
        case RD_KAFKA_RESP_ERR__RESOLVE:
            return ". Hint: the name does not resolve; check `brokers`, or the broker's "
                   "advertised.listeners";
        case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
        case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
        case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
            return ". Hint: create it, or check its name and whether it was deleted";
        case RD_KAFKA_RESP_ERR__AUTHENTICATION:
        case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
            return ". Hint: the broker refuses the credentials; check sasl.* of the connection";
        case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
        case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
        case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
            return ". Hint: the cluster's ACLs do not allow it to this user";
        case RD_KAFKA_RESP_ERR__SSL:
            return ". Hint: TLS failed; check security.protocol and ssl.* of the connection";
        case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
        case RD_KAFKA_RESP_ERR__TRANSPORT:
            if (const std::string_view address = leading_address(reason);
                is_loopback(address) && !any_is_loopback(brokers))
                return fmt::format(
                    ". Hint: the broker advertises {}; set advertised.listeners on the broker",
                    address);
            return ". Hint: is the broker running, and do its address (--kafka for the cluster "
                   "`default`) and security.protocol fit?";
        default:
            return "";
    }
}

Error kafka_error(rd_kafka_resp_err_t error, std::string_view brokers, std::string_view what,
                  std::string_view reason) {
    const std::string_view text = reason.empty() ? rd_kafka_err2str(error) : reason;
    return Error{code_of(error),
                 fmt::format("{}: {}{}", what, text, hint_of(error, brokers, text))};
}

bool is_loopback(std::string_view host) {
    const std::size_t scheme = host.find("://");
    if (scheme != std::string_view::npos) host.remove_prefix(scheme + 3);
    return host.starts_with("localhost") || host.starts_with("127.") || host.starts_with("[::1]") ||
           host == "::1";
}

bool any_is_loopback(std::string_view brokers) {
    while (!brokers.empty()) {
        const std::size_t end = brokers.find(',');
        std::string_view one = brokers.substr(0, end);
        while (one.starts_with(' ')) one.remove_prefix(1);
        if (is_loopback(one)) return true;
        if (end == std::string_view::npos) break;
        brokers.remove_prefix(end + 1);
    }
    return false;
}

}  // namespace millrace::operators
