#include <cstring>
#include <memory>
#include <utility>

#include "runtime/base/check.h"
#include "runtime/data/codec.h"
#include "runtime/data/slice_format.h"

namespace millrace::data {
namespace {

std::unexpected<Error> corrupt(const char* what) {
    return fail(Code::kCorruption, "a slice from another TaskManager is damaged: {}", what);
}

// True when `count` + 1 offsets ascend from 0 to `end`.
bool offsets_are_sound(const std::int32_t* offsets, std::size_t count, std::size_t end) {
    bool falls = false;
    for (std::size_t i = 0; i < count; ++i) {
        falls |= offsets[i + 1] < offsets[i];
    }
    return !falls && offsets[0] == 0 && static_cast<std::size_t>(offsets[count]) == end;
}

bool arrays_are_sound(Type type, const ColumnExtent& extent, const ColumnArrays& arrays,
                      std::size_t rows) {
    if (!has_offsets(type.kind)) {
        return true;
    }
    if (!offsets_are_sound(arrays.offsets, rows,
                           is_text(type.kind) ? extent.bytes : extent.elements)) {
        return false;
    }
    return arrays.element_offsets == nullptr ||
           offsets_are_sound(arrays.element_offsets, extent.elements, extent.bytes);
}

// What a type's header may say.
bool header_fits(Type type, const ColumnHeader& header) {
    const bool has_elements = type.kind == Kind::kList || type.kind == Kind::kFeatures;
    const bool has_bytes =
        is_text(type.kind) || (type.kind == Kind::kList && is_text(type.element));
    const std::uint32_t flags =
        ColumnHeader::kHasValidity |
        (type.kind == Kind::kFeatures ? std::uint32_t{ColumnHeader::kHasWeights} : 0U);
    return (header.flags & ~flags) == 0 && (has_elements || header.elements == 0) &&
           (has_bytes || header.bytes == 0);
}

// A slice's bytes, read in the order in which the encoder lays them out.
class SliceReader {
  public:
    SliceReader(const Schema& schema, std::span<std::byte> bytes)
        : schema_(schema), bytes_(bytes) {}

    // Checks all sizes against each other; reads nothing behind the headers.
    Status check_sizes() {
        const std::size_t columns = schema_.size();
        if (bytes_.size() < slice_header_bytes(columns)) {
            return corrupt("it is too short for its headers");
        }
        std::memcpy(&header_, bytes_.data(), sizeof header_);
        if (header_.version != kSliceVersion || header_.kind != BufferKind::kSlice) {
            return corrupt("its version or kind is unknown");
        }
        if (header_.columns != columns) {
            return corrupt("its columns are not those of the schema");
        }
        if (header_.rows == 0 || header_.rows > kRowsMax) {
            return corrupt("its row count is out of range");
        }
        if (header_.bytes != bytes_.size()) {
            return corrupt("its length is not what its header says");
        }
        // 32-bit counts of at most 1024 columns cannot overflow 64 bits.
        std::size_t at = arrays_at();
        for (std::size_t i = 0; i < columns; ++i) {
            const Type type = schema_.fields()[i].type;
            if (!header_fits(type, column_header(i))) {
                return corrupt("a column's header does not fit its type");
            }
            place_column(type, extent(i), rows(), kSliceAlignment, nullptr, at);
        }
        return at == bytes_.size() ? Status{} : corrupt("its columns do not fill it");
    }

    // Points the columns into the bytes. REQUIRES: check_sizes().
    Status read_columns(std::span<Column> columns) {
        std::size_t at = arrays_at();
        for (std::size_t i = 0; i < columns.size(); ++i) {
            const Type type = schema_.fields()[i].type;
            const ColumnArrays arrays =
                place_column(type, extent(i), rows(), kSliceAlignment, bytes_.data(), at);
            if (!arrays_are_sound(type, extent(i), arrays, rows())) {
                return corrupt("a column's offsets do not ascend to its end");
            }
            columns[i] = arrays.view();
        }
        return {};
    }

    [[nodiscard]] std::size_t rows() const { return header_.rows; }
    [[nodiscard]] PositionColumns positions() const {
        const std::byte* const split = bytes_.data() + slice_header_bytes(schema_.size());
        const std::byte* const ordinal = split + position_bytes(sizeof(std::int32_t));
        const std::byte* const timestamp_ms = ordinal + position_bytes(sizeof(std::int64_t));
        return {reinterpret_cast<const std::int32_t*>(split),
                reinterpret_cast<const std::int64_t*>(ordinal),
                reinterpret_cast<const std::int64_t*>(timestamp_ms)};
    }

  private:
    [[nodiscard]] std::size_t position_bytes(std::size_t width) const {
        return round_up(rows() * width, kSliceAlignment);
    }
    [[nodiscard]] std::size_t arrays_at() const {
        return slice_header_bytes(schema_.size()) + position_bytes(sizeof(std::int32_t)) +
               2 * position_bytes(sizeof(std::int64_t));
    }
    [[nodiscard]] ColumnHeader column_header(std::size_t column) const {
        ColumnHeader header;
        std::memcpy(&header, bytes_.data() + sizeof(SliceHeader) + column * sizeof header,
                    sizeof header);
        return header;
    }
    [[nodiscard]] ColumnExtent extent(std::size_t column) const {
        const ColumnHeader header = column_header(column);
        return {(header.flags & ColumnHeader::kHasValidity) != 0,
                (header.flags & ColumnHeader::kHasWeights) != 0, header.elements, header.bytes};
    }

    const Schema& schema_;
    const std::span<std::byte> bytes_;
    SliceHeader header_;
};

// Makes a batch at `place` that reads `bytes`.
Result<BatchMemory::Block*> open_slice(const SchemaPtr& schema, std::span<std::byte> bytes,
                                       std::byte* place) {
    SliceReader reader(*schema, bytes);
    MILLRACE_TRY(reader.check_sizes());
    auto* const block = BatchMemory::Block::make_at(place, schema);
    const Status read = reader.read_columns(block->columns_to_fill());
    if (!read) {
        std::destroy_at(block);
        return std::unexpected(read.error());
    }
    block->set_rows(reader.rows(), reader.positions());
    return block;
}

}  // namespace

SliceDecoder::SliceDecoder(SchemaPtr schema, BatchMemory& memory, const CodecLimits& limits)
    : schema_(std::move(schema)), memory_(memory), limits_(limits) {}

Result<std::optional<BatchPtr>> SliceDecoder::decode(memory::NetworkBuffer& buffer) {
    if (buffer.size() < sizeof(PartHeader)) {
        return corrupt("it is too short for its headers");
    }
    if (static_cast<BufferKind>(buffer.data()[1]) == BufferKind::kPart) {
        return decode_part(buffer);
    }
    if (!part_slice_.is_empty()) {
        return corrupt("a part of a row is missing");
    }
    return decode_slice(buffer);
}

Result<std::optional<BatchPtr>> SliceDecoder::decode_slice(memory::NetworkBuffer& buffer) {
    const std::size_t header = BatchMemory::Block::header_bytes(schema_->size());
    const std::size_t tail = round_up(buffer.size(), kArrayAlignment);
    MILLRACE_CHECK_EQ(reinterpret_cast<std::uintptr_t>(buffer.data()) % kArrayAlignment, 0U);
    memory::Segment segment;
    std::byte* place = buffer.data() + tail;
    if (buffer.capacity() < tail + header) {
        MILLRACE_TRY_ASSIGN(segment, memory_.allocate(header));
        place = segment.data();
    }
    MILLRACE_TRY_ASSIGN(BatchMemory::Block* const block,
                        open_slice(schema_, buffer.bytes(), place));
    block->segment = std::move(segment);
    block->buffer = std::move(buffer);
    block->finish();
    return block->share();
}

Result<std::optional<BatchPtr>> SliceDecoder::decode_part(memory::NetworkBuffer& buffer) {
    PartHeader header;
    std::memcpy(&header, buffer.data(), sizeof header);
    if (header.version != kSliceVersion) {
        return corrupt("its version or kind is unknown");
    }
    if (part_slice_.is_empty()) {
        MILLRACE_TRY(begin_parts(header.bytes_total));
    }
    const std::span<const std::byte> bytes = buffer.bytes().subspan(sizeof header);
    if (header.index != part_index_ || header.bytes_total != part_bytes_) {
        return corrupt("a part of a row is missing");
    }
    if (bytes.empty() || bytes.size() > part_bytes_ - part_at_) {
        return corrupt("the parts of a row are not as long as they say");
    }
    const std::size_t place = BatchMemory::Block::header_bytes(schema_->size());
    std::memcpy(part_slice_.data() + place + part_at_, bytes.data(), bytes.size());
    part_at_ += bytes.size();
    ++part_index_;
    buffer.release();
    if (part_at_ < part_bytes_) {
        return std::nullopt;
    }
    MILLRACE_TRY_ASSIGN(
        BatchMemory::Block* const block,
        open_slice(schema_, part_slice_.bytes().subspan(place, part_bytes_), part_slice_.data()));
    block->segment = std::move(part_slice_);
    block->finish();
    return block->share();
}

Status SliceDecoder::begin_parts(std::uint32_t bytes_total) {
    if (bytes_total > limits_.row_bytes_max) {
        return fail(Code::kCorruption,
                    "a row from another TaskManager is too large: {} bytes, at most {}",
                    bytes_total, limits_.row_bytes_max);
    }
    const std::size_t place = BatchMemory::Block::header_bytes(schema_->size());
    MILLRACE_TRY_ASSIGN(part_slice_, memory_.allocate(place + bytes_total));
    part_bytes_ = bytes_total;
    part_at_ = 0;
    part_index_ = 0;
    return {};
}

}  // namespace millrace::data
