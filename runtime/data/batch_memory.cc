#include "runtime/data/batch_memory.h"

#include <memory>

#include "runtime/data/batch_block.h"

namespace millrace::data {

void GrownArray::destroy(GrownArray* first) noexcept {
    while (first != nullptr) {
        GrownArray* const next = first->next;
        memory::Segment segment = std::move(first->segment);
        std::destroy_at(first);
        first = next;
    }
}

BatchMemory::Block* BatchMemory::Block::make(memory::Segment segment, SchemaPtr schema) {
    MILLRACE_CHECK_LE(header_bytes(schema->size()), segment.size());
    Block* const block = make_at(segment.data(), std::move(schema));
    block->segment = std::move(segment);
    return block;
}

BatchMemory::Block* BatchMemory::Block::make_at(std::byte* place, SchemaPtr schema) {
    const std::size_t columns = schema->size();
    auto* const block = new (place) Block();
    auto* const first = reinterpret_cast<Column*>(block + 1);
    std::uninitialized_default_construct_n(first, columns);
    block->columns_ = {first, columns};
    block->schema_ = std::move(schema);
    return block;
}

void BatchMemory::Block::finish() {
    own_bytes_ = segment.size() + buffer.capacity();
    is_short_lived_ = !buffer.is_empty() || (parent && parent->is_short_lived());
    for (const GrownArray* array = grown; array != nullptr; array = array->next) {
        own_bytes_ += array->segment.size();
    }
    bytes_ = rows_ * (sizeof(std::int32_t) + 2 * sizeof(std::int64_t));
    for (std::size_t i = 0; i < columns_.size(); ++i) {
        bytes_ += column_bytes(schema_->fields()[i].type, columns_[i], rows_);
    }
}

std::size_t column_bytes(Type type, const Column& column, std::size_t rows) {
    const std::size_t bits = (rows + 7) / 8;
    std::size_t bytes = column.validity == nullptr ? 0 : bits;
    if (!has_offsets(type.kind)) {
        return bytes + (type.kind == Kind::kBool ? bits : rows * fixed_width(type.kind));
    }
    bytes += (rows + 1) * sizeof(std::int32_t);
    const auto elements = static_cast<std::size_t>(column.offsets[rows]);
    if (is_text(type.kind)) {
        return bytes + elements;
    }
    if (type.kind == Kind::kFeatures) {
        return bytes + elements * (column.weights == nullptr ? 4 : 8);
    }
    if (is_text(type.element)) {
        return bytes + (elements + 1) * sizeof(std::int32_t) +
               static_cast<std::size_t>(column.element_offsets[elements]);
    }
    return bytes + (type.element == Kind::kBool ? (elements + 7) / 8
                                                : elements * fixed_width(type.element));
}

void BatchPtr::destroy() const noexcept {
    auto* const block = static_cast<BatchMemory::Block*>(const_cast<Batch*>(batch_));
    // The handles must outlive the Block that lies in their memory.
    const memory::Segment segment = std::move(block->segment);
    const memory::NetworkBuffer buffer = std::move(block->buffer);
    GrownArray::destroy(block->grown);
    std::destroy_at(block);
}

}  // namespace millrace::data
