// Runs records through a decoder and writes down what came out, rows and bad records in order.
//
// Threads:    one.
// Failure:    aborts when the decoder fails.

#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "operators/format/record_decoder.h"
#include "runtime/base/check.h"
#include "tests/data/random_batch.h"
#include "tests/support/slot_world.h"

namespace millrace::test {

// "code field" of each bad record, behind its ordinal.
class BadList final : public operators::BadRecords {
  public:
    Status on_bad_record(const operators::RawRecord& record, std::string_view code,
                         std::string_view message, std::string_view field) override {
        MILLRACE_CHECK(!message.empty());
        texts.push_back(std::to_string(record.position.ordinal) + ": " + std::string(code) +
                        (field.empty() ? "" : " " + std::string(field)));
        return {};
    }

    std::vector<std::string> texts;
};

struct Decoded {
    RowTexts rows;  // As text_of(), positions included.
    std::vector<std::string> bad;

    bool operator==(const Decoded&) const = default;
};

// Record i has the position 0/i/0.
inline Decoded decode_all(operators::RecordDecoder& decoder, SlotWorld& world,
                          const std::vector<std::string>& records) {
    std::vector<operators::RawRecord> raw;
    raw.reserve(records.size());
    for (const std::string& record : records) {
        raw.push_back({record, {}, {0, static_cast<std::int64_t>(raw.size()), 0}});
    }
    data::BatchBuilder builder(decoder.schema(), world.batches());
    BadList bad;
    Decoded decoded;
    std::span<const operators::RawRecord> rest(raw);
    while (!rest.empty()) {
        MILLRACE_CHECK(builder.begin().has_value());
        const auto used = decoder.decode(rest, builder, bad);
        MILLRACE_CHECK(used.has_value());
        rest = rest.subspan(*used);
        if (builder.is_full() || (rest.empty() && builder.rows() > 0)) {
            for (std::string& row : text_of(*builder.finish())) {
                decoded.rows.push_back(std::move(row));
            }
        }
    }
    decoded.bad = std::move(bad.texts);
    return decoded;
}

// One record alone: its row without the position, or "bad: <code> <field>".
inline std::string decode_one(operators::RecordDecoder& decoder, SlotWorld& world,
                              const std::string& record) {
    const Decoded decoded = decode_all(decoder, world, {record});
    if (!decoded.bad.empty()) {
        return "bad: " + decoded.bad[0].substr(3);
    }
    return decoded.rows[0].substr(decoded.rows[0].find(' ') + 1);
}

}  // namespace millrace::test
