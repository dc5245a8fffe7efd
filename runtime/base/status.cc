#include "runtime/base/status.h"

namespace millrace {

std::string_view to_string(Code code) {
    switch (code) {
        case Code::kInvalidArgument:
            return "invalid_argument";
        case Code::kInvalidOption:
            return "invalid_option";
        case Code::kNotFound:
            return "not_found";
        case Code::kAlreadyExists:
            return "already_exists";
        case Code::kResourceExhausted:
            return "resource_exhausted";
        case Code::kUnavailable:
            return "unavailable";
        case Code::kDeadlineExceeded:
            return "deadline_exceeded";
        case Code::kCancelled:
            return "cancelled";
        case Code::kCorruption:
            return "corruption";
        case Code::kStale:
            return "stale";
        case Code::kPermissionDenied:
            return "permission_denied";
        case Code::kInternal:
            return "internal";
    }
    return "unknown";
}

Domain domain_of(Code code) {
    switch (code) {
        case Code::kInvalidArgument:
        case Code::kInvalidOption:
        case Code::kNotFound:
        case Code::kAlreadyExists:
        case Code::kCancelled:
        case Code::kPermissionDenied:
            return Domain::kUser;
        case Code::kResourceExhausted:
        case Code::kUnavailable:
        case Code::kDeadlineExceeded:
        case Code::kCorruption:
        case Code::kStale:
            return Domain::kExternal;
        case Code::kInternal:
            return Domain::kInternal;
    }
    return Domain::kInternal;
}

bool is_retryable(Code code) {
    return code == Code::kResourceExhausted || code == Code::kUnavailable ||
           code == Code::kDeadlineExceeded;
}

Error Error::with_context(std::string_view context) && {
    message.insert(0, ": ").insert(0, context);
    return std::move(*this);
}

}  // namespace millrace
