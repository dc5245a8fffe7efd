#include "operators/format/field_index.h"

#include "runtime/base/random.h"

namespace millrace::operators {

FieldIndex::FieldIndex(const data::Schema& schema) {
    for (const data::Field& field : schema.fields()) names_.push_back(field.name);
    // A multiplier without collisions saves a mispredicted branch a field; some are tried.
    constexpr int kTries = 64;
    Random random(schema.size());
    std::uint64_t best = 0;
    std::size_t fewest = ~std::size_t{0};
    for (int i = 0; i < kTries && fewest > 0; ++i) {
        const std::uint64_t multiplier = random.next() | 1;
        const std::size_t collisions = fill(schema, multiplier);
        if (collisions < fewest) {
            fewest = collisions;
            best = multiplier;
        }
    }
    fill(schema, best);
}

std::size_t FieldIndex::fill(const data::Schema& schema, std::uint64_t multiplier) {
    slots_.assign(std::bit_ceil(4 * (schema.size() + 1)), Slot{});
    slot_mask_ = slots_.size() - 1;
    slot_shift_ = 64 - std::countr_zero(slots_.size());
    multiplier_ = multiplier;
    std::size_t collisions = 0;
    for (std::uint32_t column = 0; column < schema.size(); ++column) {
        const std::string& name = schema.fields()[column].name;
        std::uint64_t word = 0;
        std::memcpy(&word, name.data(), name.size() < 8 ? name.size() : 8);
        std::size_t at = slot_of(word, name.size());
        for (; slots_[at].column != kUnknown; at = (at + 1) & slot_mask_) ++collisions;
        slots_[at] = {word, column, static_cast<std::uint32_t>(name.size())};
    }
    return collisions;
}

FieldIndex::Key FieldIndex::find_key(const char* key) const {
    Key found;
    std::size_t at = 0;
    for (; key[at] != '"'; ++at) {
        if (key[at] == '\\') {
            found.has_escapes = true;
            ++at;
        }
    }
    found.name = std::string_view(key, at);
    if (!found.has_escapes) {
        found.column = find(found.name);
    }
    return found;
}

}  // namespace millrace::operators
