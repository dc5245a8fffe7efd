#include "runtime/data/derived_batch.h"

#include <utility>

#include "runtime/base/check.h"
#include "runtime/data/batch_block.h"
#include "runtime/data/batch_memory.h"
#include "runtime/data/column_copy.h"

namespace millrace::data {
namespace {

BatchMemory::Block& block_of(const BatchPtr& batch) {
    // Only ever called for a batch that is still being built here.
    return static_cast<BatchMemory::Block&>(const_cast<Batch&>(*batch));
}

// Where gathered positions and columns lie in a segment, and how long it must be.
std::size_t position_bytes(std::size_t rows, std::size_t width) {
    return round_up(rows * width, kArrayAlignment);
}

std::size_t gathered_bytes(const Batch& batch, RowSelection rows) {
    const std::span<const Field> fields = batch.schema()->fields();
    std::size_t bytes = BatchMemory::Block::header_bytes(fields.size()) +
                        position_bytes(rows.size(), sizeof(std::int32_t)) +
                        2 * position_bytes(rows.size(), sizeof(std::int64_t));
    for (std::size_t i = 0; i < fields.size(); ++i) {
        const ColumnExtent extent = measure_column(fields[i].type, batch.column(i), rows);
        place_column(fields[i].type, extent, rows.size(), kArrayAlignment, nullptr, bytes);
    }
    return bytes;
}

Result<BatchPtr> gather_selected(const Batch& batch, RowSelection rows, BatchMemory& memory) {
    MILLRACE_TRY_ASSIGN(memory::Segment segment, memory.allocate(gathered_bytes(batch, rows)));
    std::byte* const base = segment.data();
    auto* const block = BatchMemory::Block::make(std::move(segment), batch.schema());
    std::size_t at = BatchMemory::Block::header_bytes(batch.columns().size());
    const auto gather_position = [&]<class T>(const T* from) {
        T* const to = reinterpret_cast<T*>(base + at);
        at += position_bytes(rows.size(), sizeof(T));
        copy_values(from, rows, to);
        return static_cast<const T*>(to);
    };
    PositionColumns positions;
    positions.split = gather_position(batch.positions().split);
    positions.ordinal = gather_position(batch.positions().ordinal);
    positions.timestamp_ms = gather_position(batch.positions().timestamp_ms);
    for (std::size_t i = 0; i < batch.columns().size(); ++i) {
        const Type type = batch.schema()->fields()[i].type;
        const ColumnExtent extent = measure_column(type, batch.column(i), rows);
        const ColumnArrays arrays =
            place_column(type, extent, rows.size(), kArrayAlignment, base, at);
        copy_column(type, batch.column(i), rows, arrays);
        block->columns_to_fill()[i] = arrays.view();
    }
    block->set_rows(rows.size(), positions);
    block->finish();
    return block->share();
}

}  // namespace

Result<DerivedBatch> DerivedBatch::make(SchemaPtr schema, const BatchPtr& parent,
                                        BatchMemory& memory, std::size_t bytes) {
    const std::size_t columns = schema->size();
    const std::size_t header = BatchMemory::Block::header_bytes(columns);
    // Every array may lose up to one alignment to rounding; `bytes` has that included.
    MILLRACE_TRY_ASSIGN(memory::Segment segment, memory.allocate(header + bytes));
    auto* const block = BatchMemory::Block::make(std::move(segment), std::move(schema));
    block->parent = parent;
    for (Column& column : block->columns_to_fill()) {
        column = Column{};
    }
    DerivedBatch derived{block->share()};
    derived.used_ = header;
    return derived;
}

void DerivedBatch::borrow(std::size_t column, std::size_t parent_column) {
    BatchMemory::Block& block = block_of(batch_);
    MILLRACE_CHECK(batch_->schema()->fields()[column].type ==
                   block.parent->schema()->fields()[parent_column].type);
    block.columns_to_fill()[column] = block.parent->column(parent_column);
}

std::byte* DerivedBatch::take(std::size_t bytes) {
    const memory::Segment& segment = block_of(batch_).segment;
    std::byte* const array = segment.data() + used_;
    used_ += round_up(bytes, kArrayAlignment);
    MILLRACE_CHECK_LE(used_, segment.size());
    return array;
}

void DerivedBatch::set(std::size_t column, const Column& arrays) {
    block_of(batch_).columns_to_fill()[column] = arrays;
}

BatchPtr DerivedBatch::finish() && {
    BatchMemory::Block& block = block_of(batch_);
    for (std::size_t i = 0; i < batch_->columns().size(); ++i) {
        const Column& column = batch_->column(i);
        const bool needs_offsets = has_offsets(batch_->schema()->fields()[i].type.kind);
        MILLRACE_CHECK(needs_offsets ? column.offsets != nullptr : column.values != nullptr);
    }
    block.set_rows(block.parent->rows(), block.parent->positions());
    block.finish();
    return std::move(batch_);
}

Result<BatchPtr> gather(const BatchPtr& batch, std::span<const std::uint16_t> rows,
                        BatchMemory& memory) {
    return gather_selected(*batch, RowSelection::listed(rows), memory);
}

Result<BatchPtr> compact(const BatchPtr& batch, BatchMemory& memory) {
    return gather_selected(*batch, RowSelection::range(0, batch->rows()), memory);
}

}  // namespace millrace::data
