#include "runtime/data/batch_builder.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <utility>

#include "runtime/base/check.h"
#include "runtime/data/batch_block.h"
#include "runtime/data/batch_memory.h"

namespace millrace::data {
namespace {

// What an area starts with before anything is known about the stream, per row.
constexpr std::size_t kAreaBytesPerRow = 16;
// Arrays of 1024 values are 4 KiB apart without it and would share their cache sets.
constexpr std::size_t kStagger = 64;
constexpr std::size_t kPositionBytes = sizeof(std::int32_t) + 2 * sizeof(std::int64_t);
constexpr std::size_t kElementsMax = std::numeric_limits<std::int32_t>::max();

bool has_element_offsets(Type type) { return type.kind == Kind::kList && is_text(type.element); }

// Packs bytes of 0 and 1 to bits, least significant first. Reads and writes whole groups of eight.
void pack_bits(const std::uint8_t* bytes, std::size_t count, std::uint8_t* bits) {
    for (std::size_t i = 0; i < count; i += 8) {
        std::uint64_t group = 0;
        std::memcpy(&group, bytes + i, sizeof group);
        // Each byte's bit moves to the top byte, at its own place; the places do not overlap.
        bits[i / 8] = static_cast<std::uint8_t>((group * 0x0102040810204080ULL) >> 56);
    }
}

template <class T>
T* take_array(std::byte*& at, std::size_t count) {
    auto* const array = reinterpret_cast<T*>(at);
    at += round_up(count * sizeof(T), kArrayAlignment);
    return array;
}

}  // namespace

BatchBuilder::BatchBuilder(SchemaPtr schema, BatchMemory& memory)
    : schema_(std::move(schema)), memory_(memory), row_bytes_(kPositionBytes) {
    columns_.resize(schema_->size());
    presence_.resize(schema_->size());
    values_.resize(schema_->size());
    for (std::uint32_t i = 0; i < columns_.size(); ++i) {
        const Type type = schema_->fields()[i].type;
        MILLRACE_CHECK(type.kind != Kind::kFeatures);
        columns_[i].type = type;
        row_bytes_ += has_offsets(type.kind) ? sizeof(std::int32_t) : fixed_width(type.kind);
        if (has_offsets(type.kind)) {
            with_offsets_.push_back(i);
        }
    }
    row_capacity_ = std::min(kRowsMax, (kBytesTarget + row_bytes_ - 1) / row_bytes_);
    // All areas together start with no more than a batch may hold.
    const std::size_t areas = std::max<std::size_t>(1, with_offsets_.size() * 2);
    const std::size_t area = std::min(row_capacity_ * kAreaBytesPerRow, kBytesTarget / areas);
    for (const std::uint32_t i : with_offsets_) {
        columns_[i].bytes.capacity_next = round_up(area, kArrayAlignment);
        if (has_element_offsets(columns_[i].type)) {
            columns_[i].element_offsets.capacity_next = round_up(area, kArrayAlignment);
        }
    }
}

BatchBuilder::~BatchBuilder() {
    for (const std::uint32_t i : with_offsets_) {
        GrownArray::destroy(columns_[i].bytes.grown);
        GrownArray::destroy(columns_[i].element_offsets.grown);
    }
}

Status BatchBuilder::begin() {
    if (has_begun()) {
        return {};
    }
    if (scratch_.is_empty()) {
        MILLRACE_TRY(take_scratch());
    }
    MILLRACE_TRY_ASSIGN(segment_, memory_.allocate(segment_bytes()));
    place_arrays();
    return {};
}

Status BatchBuilder::take_scratch() {
    const std::size_t array = round_up(row_capacity_, kArrayAlignment) + kStagger;
    MILLRACE_TRY_ASSIGN(scratch_, memory_.allocate(2 * columns_.size() * array + 1));
    std::memset(scratch_.data(), 0, 2 * columns_.size() * array);
    std::byte* at = scratch_.data();
    for (std::size_t i = 0; i < columns_.size(); ++i) {
        presence_[i] = take_array<std::uint8_t>(at, array);
        if (columns_[i].type.kind == Kind::kBool) {
            values_[i] = take_array<std::byte>(at, array);
        }
    }
    return {};
}

std::size_t BatchBuilder::segment_bytes() const {
    const std::size_t bits = round_up((row_capacity_ + 7) / 8, kArrayAlignment);
    std::size_t bytes = BatchMemory::Block::header_bytes(columns_.size()) + 3 * kArrayAlignment +
                        row_capacity_ * kPositionBytes;
    for (const ColumnState& state : columns_) {
        bytes += bits;
        if (state.type.kind == Kind::kBool) {
            bytes += bits;
        } else if (!has_offsets(state.type.kind)) {
            bytes +=
                round_up(row_capacity_ * fixed_width(state.type.kind), kArrayAlignment) + kStagger;
        } else {
            bytes += round_up((row_capacity_ + 1) * sizeof(std::int32_t), kArrayAlignment) +
                     state.bytes.capacity_next + state.element_offsets.capacity_next;
        }
    }
    return bytes;
}

void BatchBuilder::place_arrays() {
    std::byte* at = segment_.data() + BatchMemory::Block::header_bytes(columns_.size());
    splits_ = take_array<std::int32_t>(at, row_capacity_);
    ordinals_ = take_array<std::int64_t>(at, row_capacity_);
    timestamps_ms_ = take_array<std::int64_t>(at, row_capacity_);
    for (std::size_t i = 0; i < columns_.size(); ++i) {
        ColumnState& state = columns_[i];
        state.validity = take_array<std::uint8_t>(at, (row_capacity_ + 7) / 8);
        if (state.type.kind == Kind::kBool) {
            state.bits = take_array<std::uint8_t>(at, (row_capacity_ + 7) / 8);
        } else if (!has_offsets(state.type.kind)) {
            values_[i] = take_array<std::byte>(at, row_capacity_ * fixed_width(state.type.kind));
            at += kStagger;
        } else {
            state.offsets = take_array<std::int32_t>(at, row_capacity_ + 1);
            for (Area* const area : {&state.bytes, &state.element_offsets}) {
                area->capacity = area->capacity_next;
                area->data = take_array<std::byte>(at, area->capacity);
            }
            reset_areas(state);
        }
    }
    MILLRACE_CHECK_LE(at, segment_.data() + segment_.size());
}

void BatchBuilder::reset_areas(ColumnState& state) {
    state.offsets[0] = 0;
    state.elements = 0;
    state.bytes.used = 0;
    state.element_offsets.used = 0;
    if (has_element_offsets(state.type)) {
        const std::int32_t zero = 0;
        std::memcpy(state.element_offsets.data, &zero, sizeof zero);
        state.element_offsets.used = sizeof zero;
    }
}

Status BatchBuilder::grow(Area& area, std::size_t count) {
    const std::size_t needed = area.used + count + kTextSlack;
    if (needed > kElementsMax) {
        return fail(Code::kResourceExhausted, "one column of a batch needs more than 2 GiB");
    }
    const std::size_t capacity = round_up(std::max(needed, 2 * area.capacity), kArrayAlignment);
    const std::size_t header = round_up(sizeof(GrownArray), kArrayAlignment);
    MILLRACE_TRY_ASSIGN(memory::Segment segment, memory_.allocate(header + capacity));
    auto* const grown = new (segment.data()) GrownArray();
    std::byte* const data = segment.data() + header;
    std::memcpy(data, area.data, area.used);
    grown->segment = std::move(segment);
    GrownArray::destroy(area.grown);
    area.grown = grown;
    area.data = data;
    area.capacity = grown->segment.size() - header;
    return {};
}

Status BatchBuilder::append_bytes(Area& area, const void* bytes, std::size_t count) {
    if (area.capacity - area.used < count + kTextSlack) [[unlikely]] {
        MILLRACE_TRY(grow(area, count));
    }
    if (count > 0) {
        std::memcpy(area.data + area.used, bytes, count);
    }
    area.used += count;
    return {};
}

Status BatchBuilder::set_text(std::size_t column, std::string_view value) {
    MILLRACE_TRY(append_bytes(columns_[column].bytes, value.data(), value.size()));
    mark_present(column);
    return {};
}

template <class T>
Status BatchBuilder::append_fixed(ColumnState& state, T value) {
    MILLRACE_TRY(append_bytes(state.bytes, &value, sizeof value));
    ++state.elements;
    return {};
}

Status BatchBuilder::append_bit(ColumnState& state, bool value) {
    const std::size_t bit = state.elements % 8;
    if (bit == 0) {
        const std::byte zero{};
        MILLRACE_TRY(append_bytes(state.bytes, &zero, 1));
    }
    auto& last = *reinterpret_cast<std::uint8_t*>(state.bytes.data + state.bytes.used - 1);
    // An undone row may have left bits at and above this one.
    last = static_cast<std::uint8_t>((last & ((1U << bit) - 1)) | (unsigned{value} << bit));
    ++state.elements;
    return {};
}

Status BatchBuilder::append_element(std::size_t column, std::int64_t value) {
    ColumnState& state = columns_[column];
    mark_present(column);
    switch (state.type.element) {
        case Kind::kBool:
            return append_bit(state, value != 0);
        case Kind::kInt32:
            return append_fixed(state, static_cast<std::int32_t>(value));
        default:
            return append_fixed(state, value);
    }
}

Status BatchBuilder::append_element(std::size_t column, double value) {
    ColumnState& state = columns_[column];
    mark_present(column);
    if (state.type.element == Kind::kFloat32) {
        return append_fixed(state, static_cast<float>(value));
    }
    return append_fixed(state, value);
}

Status BatchBuilder::append_element(std::size_t column, std::string_view value) {
    ColumnState& state = columns_[column];
    mark_present(column);
    MILLRACE_TRY(append_bytes(state.bytes, value.data(), value.size()));
    const auto end = static_cast<std::int32_t>(state.bytes.used);
    MILLRACE_TRY(append_bytes(state.element_offsets, &end, sizeof end));
    ++state.elements;
    return {};
}

void BatchBuilder::undo_row() {
    for (std::uint8_t* const presence : presence_) {
        presence[rows_] = 0;
    }
    for (const std::uint32_t i : with_offsets_) {
        ColumnState& state = columns_[i];
        const auto kept = static_cast<std::size_t>(state.offsets[rows_]);
        if (state.type.kind != Kind::kList) {
            state.bytes.used = kept;
            continue;
        }
        state.elements = kept;
        if (has_element_offsets(state.type)) {
            state.element_offsets.used = (kept + 1) * sizeof(std::int32_t);
            std::int32_t end = 0;
            std::memcpy(&end, state.element_offsets.data + kept * sizeof end, sizeof end);
            state.bytes.used = static_cast<std::size_t>(end);
        } else if (state.type.element == Kind::kBool) {
            state.bytes.used = (kept + 7) / 8;
        } else {
            state.bytes.used = kept * fixed_width(state.type.element);
        }
    }
}

Column BatchBuilder::finish_column(std::size_t index) {
    ColumnState& state = columns_[index];
    std::uint8_t* const presence = presence_[index];
    std::byte* const values = values_[index];
    Column column;
    if (std::memchr(presence, 0, rows_) != nullptr) {
        pack_bits(presence, rows_, state.validity);
        column.validity = state.validity;
        const std::size_t width = state.type.kind == Kind::kBool ? 1 : fixed_width(state.type.kind);
        for (std::size_t row = 0; width > 0 && row < rows_; ++row) {
            if (presence[row] == 0) {
                std::memset(values + row * width, 0, width);
            }
        }
    }
    std::memset(presence, 0, rows_);
    if (state.type.kind == Kind::kBool) {
        pack_bits(reinterpret_cast<const std::uint8_t*>(values), rows_, state.bits);
        column.values = reinterpret_cast<const std::byte*>(state.bits);
    } else if (!has_offsets(state.type.kind)) {
        column.values = values;
    } else {
        column.values = state.bytes.data;
        column.offsets = state.offsets;
        if (has_element_offsets(state.type)) {
            column.element_offsets =
                reinterpret_cast<const std::int32_t*>(state.element_offsets.data);
        }
    }
    return column;
}

BatchPtr BatchBuilder::finish() {
    MILLRACE_CHECK_GT(rows_, std::size_t{0});
    auto* const block = BatchMemory::Block::make(std::move(segment_), schema_);
    const std::span<Column> columns = block->columns_to_fill();
    for (std::size_t i = 0; i < columns_.size(); ++i) {
        ColumnState& state = columns_[i];
        columns[i] = finish_column(i);
        for (Area* const area : {&state.bytes, &state.element_offsets}) {
            // Forgets slowly, so that one small batch does not make the next one grow again.
            area->capacity_next = round_up(std::max(area->used + area->used / 8 + kTextSlack,
                                                    area->capacity_next - area->capacity_next / 8),
                                           kArrayAlignment);
            if (area->grown != nullptr) {
                area->grown->next = block->grown;
                block->grown = std::exchange(area->grown, nullptr);
            }
        }
    }
    block->set_rows(rows_, {splits_, ordinals_, timestamps_ms_});
    block->finish();
    rows_ = 0;
    area_bytes_ = 0;
    return shrink(block->share());
}

BatchPtr BatchBuilder::shrink(BatchPtr batch) {
    // A batch that ended early, by the linger time, would hold the room of a full one.
    const std::size_t arrays = batch->bytes() + 4 * kArrayAlignment * columns_.size();
    const std::size_t wanted = BatchMemory::Block::header_bytes(columns_.size()) + arrays;
    if (round_up(wanted, memory_.page_bytes()) > batch->own_bytes() / 2) {
        return batch;
    }
    auto small = compact(batch, memory_);
    return small ? *std::move(small) : batch;
}

}  // namespace millrace::data
