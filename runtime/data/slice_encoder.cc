#include <algorithm>
#include <cstring>
#include <utility>

#include "runtime/base/check.h"
#include "runtime/data/codec.h"
#include "runtime/data/slice_format.h"

namespace millrace::data {
namespace {

constexpr std::size_t kPositionBytes = sizeof(std::int32_t) + 2 * sizeof(std::int64_t);

// Upper bound of what one row of a list or features column adds to `values` and its like.
std::size_t element_bytes(Type type) {
    if (type.kind == Kind::kFeatures) {
        return sizeof(std::uint32_t) + sizeof(float);
    }
    if (is_text(type.element)) {
        return sizeof(std::int32_t);
    }
    return std::max<std::size_t>(1, fixed_width(type.element));
}

template <class T>
void write_positions(const T* from, RowSelection rows, std::byte* to, std::size_t& at) {
    if (to != nullptr) {
        copy_values(from, rows, reinterpret_cast<T*>(to + at));
    }
    at += round_up(rows.size() * sizeof(T), kSliceAlignment);
}

}  // namespace

SliceEncoder::SliceEncoder(SchemaPtr schema, BatchMemory& memory, const CodecLimits& limits)
    : schema_(std::move(schema)),
      memory_(memory),
      limits_(limits),
      slice_bytes_max_(limits.buffer_bytes - tail_bytes(schema_->size(), limits.buffer_bytes)) {
    MILLRACE_CHECK_GT(limits.buffer_bytes, sizeof(PartHeader));
    listed_.reserve(kRowsMax);
    bytes_before_.reserve(kRowsMax + 1);
}

void SliceEncoder::start(BatchPtr batch) {
    is_listed_ = false;
    const std::size_t rows = batch->rows();
    start_selected(std::move(batch), rows);
}

void SliceEncoder::start(BatchPtr batch, std::span<const std::uint16_t> rows) {
    is_listed_ = true;
    listed_.assign(rows.begin(), rows.end());
    start_selected(std::move(batch), rows.size());
}

void SliceEncoder::start_selected(BatchPtr batch, std::size_t rows) {
    MILLRACE_CHECK(is_done());
    MILLRACE_CHECK(batch->schema() == schema_ || *batch->schema() == *schema_);
    MILLRACE_CHECK_LE(rows, kRowsMax);
    if (rows == 0) {
        return;
    }
    batch_ = std::move(batch);
    rows_ = rows;
    row_ = 0;
    measure_fixed();
    bytes_before_.assign(rows + 1, 0);
    for (std::size_t i = 0; i < schema_->size(); ++i) {
        measure_rows(schema_->fields()[i].type, batch_->column(i));
    }
    for (std::size_t i = 1; i <= rows; ++i) {
        bytes_before_[i] += bytes_before_[i - 1];
    }
}

RowSelection SliceEncoder::selection() const {
    return is_listed_ ? RowSelection::listed(listed_) : RowSelection::range(0, rows_);
}

void SliceEncoder::measure_fixed() {
    constexpr std::size_t kRounding = kSliceAlignment - 1;
    bytes_fixed_ = slice_header_bytes(schema_->size()) + 3 * kRounding;
    bytes_per_row_ = kPositionBytes;
    bitmaps_ = 0;
    for (std::size_t i = 0; i < schema_->size(); ++i) {
        const Type type = schema_->fields()[i].type;
        bitmaps_ += (batch_->column(i).validity != nullptr ? 1U : 0U) +
                    (type.kind == Kind::kBool ? 1U : 0U);
        bytes_per_row_ += has_offsets(type.kind) ? sizeof(std::int32_t) : fixed_width(type.kind);
        // At most four arrays, two of them with a leading offset.
        bytes_fixed_ +=
            has_offsets(type.kind) ? 4 * kRounding + 2 * sizeof(std::int32_t) : 2 * kRounding;
    }
}

void SliceEncoder::measure_rows(Type type, const Column& column) {
    if (!has_offsets(type.kind)) {
        return;
    }
    const RowSelection rows = selection();
    const std::size_t width = is_text(type.kind) ? 1 : element_bytes(type);
    for (std::size_t i = 0; i < rows.size(); ++i) {
        const std::int32_t* const offsets = column.offsets + rows[i];
        bytes_before_[i + 1] += static_cast<std::size_t>(offsets[1] - offsets[0]) * width;
    }
    if (type.kind == Kind::kList && is_text(type.element)) {
        for (std::size_t i = 0; i < rows.size(); ++i) {
            const std::int32_t* const offsets = column.offsets + rows[i];
            bytes_before_[i + 1] += static_cast<std::size_t>(column.element_offsets[offsets[1]] -
                                                             column.element_offsets[offsets[0]]);
        }
    }
}

std::size_t SliceEncoder::bytes_bound(std::size_t rows) const {
    return bytes_fixed_ + rows * bytes_per_row_ + bitmaps_ * ((rows + 7) / 8) +
           (bytes_before_[row_ + rows] - bytes_before_[row_]);
}

std::size_t SliceEncoder::rows_that_fit() const {
    std::size_t fits = 0;
    for (std::size_t too_many = rows_ - row_ + 1; too_many - fits > 1;) {
        const std::size_t middle = (fits + too_many) / 2;
        (bytes_bound(middle) <= slice_bytes_max_ ? fits : too_many) = middle;
    }
    return fits;
}

std::size_t SliceEncoder::lay_out(std::size_t rows, std::byte* to) const {
    const RowSelection part = selection().part(row_, rows);
    const std::span<const Field> fields = schema_->fields();
    std::size_t at = slice_header_bytes(fields.size());
    const PositionColumns& positions = batch_->positions();
    write_positions(positions.split, part, to, at);
    write_positions(positions.ordinal, part, to, at);
    write_positions(positions.timestamp_ms, part, to, at);
    for (std::size_t i = 0; i < fields.size(); ++i) {
        const Type type = fields[i].type;
        const Column& column = batch_->column(i);
        const ColumnExtent extent = measure_column(type, column, part);
        const ColumnArrays arrays = place_column(type, extent, rows, kSliceAlignment, to, at);
        if (to == nullptr) {
            continue;
        }
        copy_column(type, column, part, arrays);
        const ColumnHeader header{.flags = (extent.has_validity ? ColumnHeader::kHasValidity : 0U) |
                                           (extent.has_weights ? ColumnHeader::kHasWeights : 0U),
                                  .elements = static_cast<std::uint32_t>(extent.elements),
                                  .bytes = static_cast<std::uint32_t>(extent.bytes)};
        std::memcpy(to + sizeof(SliceHeader) + i * sizeof header, &header, sizeof header);
    }
    if (to != nullptr) {
        const SliceHeader header{.columns = static_cast<std::uint16_t>(fields.size()),
                                 .rows = static_cast<std::uint32_t>(rows),
                                 .bytes = static_cast<std::uint32_t>(at)};
        std::memcpy(to, &header, sizeof header);
    }
    return at;
}

Status SliceEncoder::encode_next(memory::NetworkBuffer& buffer) {
    MILLRACE_CHECK(!is_done());
    MILLRACE_CHECK_GE(buffer.capacity(), limits_.buffer_bytes);
    if (part_slice_.is_empty()) {
        const std::size_t rows = rows_that_fit();
        if (rows > 0) {
            const std::size_t bytes = lay_out(rows, buffer.data());
            MILLRACE_CHECK_LE(bytes, slice_bytes_max_);
            buffer.set_size(bytes);
            advance(rows);
            return {};
        }
        MILLRACE_TRY(begin_parts());
    }
    write_part(buffer);
    return {};
}

Status SliceEncoder::begin_parts() {
    const std::size_t bytes = lay_out(1, nullptr);
    if (bytes > limits_.row_bytes_max) {
        const Position position = batch_->positions().at(selection()[row_]);
        return fail(Code::kResourceExhausted,
                    "a row is too large to be sent to another TaskManager: {} bytes, at most {}, "
                    "split {}, ordinal {}. Hint: lower `max_record_bytes` of the source",
                    bytes, limits_.row_bytes_max, position.split, position.ordinal);
    }
    MILLRACE_TRY_ASSIGN(part_slice_, memory_.allocate(bytes));
    lay_out(1, part_slice_.data());
    part_bytes_ = bytes;
    part_at_ = 0;
    part_index_ = 0;
    return {};
}

void SliceEncoder::write_part(memory::NetworkBuffer& buffer) {
    const PartHeader header{.index = part_index_++,
                            .bytes_total = static_cast<std::uint32_t>(part_bytes_)};
    const std::size_t bytes =
        std::min(limits_.buffer_bytes - sizeof header, part_bytes_ - part_at_);
    std::memcpy(buffer.data(), &header, sizeof header);
    std::memcpy(buffer.data() + sizeof header, part_slice_.data() + part_at_, bytes);
    buffer.set_size(sizeof header + bytes);
    part_at_ += bytes;
    if (part_at_ == part_bytes_) {
        part_slice_.release();
        advance(1);
    }
}

void SliceEncoder::advance(std::size_t rows) {
    row_ += rows;
    if (row_ == rows_) {
        batch_ = {};
    }
}

}  // namespace millrace::data
