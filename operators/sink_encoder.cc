#include "operators/sink_encoder.h"

#include <utility>

#include "operators/format/json_encoder.h"
#include "operators/format/raw_encoder.h"

namespace millrace::operators {

Result<std::unique_ptr<RecordEncoder>> make_encoder(proto::SinkFormat format,
                                                    const data::SchemaPtr& input) {
    if (format == proto::SINK_FORMAT_RAW) {
        MILLRACE_TRY_ASSIGN(std::unique_ptr<RecordEncoder> raw, RawEncoder::make(*input));
        return raw;
    }
    MILLRACE_TRY_ASSIGN(std::unique_ptr<RecordEncoder> json, JsonEncoder::make(input));
    return json;
}

}  // namespace millrace::operators
