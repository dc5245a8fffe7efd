// Any bytes as a received network buffer: refused as damaged, or a batch that can be read to its
// end and that comes out of the codec a second time as it is.

#include <cstdint>

#include "runtime/data/codec.h"
#include "tests/data/random_batch.h"
#include "tests/data/slices.h"
#include "tests/support/buffer_world.h"
#include "tests/support/slot_world.h"

namespace {

using namespace millrace;

data::SchemaPtr every_type() {
    using data::Kind;
    std::vector<data::Field> fields;
    for (int kind = 0; kind <= static_cast<int>(Kind::kTimestampMs); ++kind) {
        const auto name = std::to_string(kind);
        fields.push_back({"c" + name, {static_cast<Kind>(kind), {}}});
        fields.push_back({"l" + name, {Kind::kList, static_cast<Kind>(kind)}});
    }
    fields.push_back({"features", {Kind::kFeatures, {}}});
    return *data::Schema::make(std::move(fields));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static test::SlotWorld world;
    static test::BufferWorld buffers(2);
    static const data::SchemaPtr schema = every_type();
    constexpr std::size_t kBufferBytes = std::size_t{32} << 10;
    if (size > kBufferBytes) {
        return 0;
    }
    const auto* const bytes = reinterpret_cast<const std::byte*>(data);
    data::SliceDecoder decoder(schema, world.batches(), {});
    memory::NetworkBuffer buffer = buffers.received({bytes, size});
    const auto batch = decoder.decode(buffer);
    if (!batch) {
        MILLRACE_CHECK(batch.error().code == Code::kCorruption);
        return 0;
    }
    if (!*batch) {
        return 0;
    }
    data::SliceEncoder encoder(schema, world.batches(), {});
    encoder.start(**batch);
    const std::vector<test::Bytes> sent = test::drain(encoder, buffers);
    data::SliceDecoder again(schema, world.batches(), {});
    const auto rows = test::receive(again, sent, buffers);
    MILLRACE_CHECK(rows.has_value());
    MILLRACE_CHECK(*rows == test::text_of(***batch));
    return 0;
}
