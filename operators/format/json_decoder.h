// Decodes JSON objects, one a record, into columns.
//
// Records of one producer almost always have the same keys in the same order, so the decoder keeps
// the shapes of recent records and reads a record that has one of them without parsing. Any other
// record, and every record with the slightest irregularity, goes to the general parser, which alone
// decides what is an error. README.md says what is accepted.
//
// Threads:    one.
// Ownership:  see RecordDecoder.
// Limits:     kShapesMax shapes are kept; values nest at most kDepthMax deep.
// Failure:    see RecordDecoder.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "operators/format/decode_rules.h"
#include "operators/format/record_decoder.h"

namespace millrace::operators {

class JsonDecoder : public RecordDecoder {
  public:
    static constexpr std::size_t kShapesMax = 4;
    static constexpr std::size_t kDepthMax = 64;

    enum class Shapes : bool { kIgnore, kPredict };
    // How records were read, for tests, benchmarks and `describe`.
    struct Counts {
        std::uint64_t predicted = 0;
        std::uint64_t general = 0;
        std::uint64_t learned = 0;  // Shapes.
    };

    // Errors: kInvalidArgument for rules that do not fit the schema, and features columns.
    static Result<std::unique_ptr<JsonDecoder>> make(data::SchemaPtr schema,
                                                     const DecodeRules& rules,
                                                     Shapes shapes = Shapes::kPredict);

    [[nodiscard]] virtual Counts counts() const = 0;
};

}  // namespace millrace::operators
