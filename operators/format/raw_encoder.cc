#include "operators/format/raw_encoder.h"

#include <algorithm>
#include <cstring>

namespace millrace::operators {
namespace {

class ColumnBytes final : public RawEncoder {
  public:
    explicit ColumnBytes(std::size_t column) : column_(column) {}

    std::size_t encode(const data::Batch& batch, std::size_t first_row, std::span<char> room,
                       std::span<std::uint32_t> ends) override {
        const data::Column& column = batch.column(column_);
        const std::size_t rows_max = std::min(batch.rows() - first_row, ends.size());
        std::size_t at = 0;
        std::size_t rows = 0;
        for (; rows < rows_max; ++rows) {
            const std::string_view bytes = column.text_at(first_row + rows);
            if (bytes.size() > room.size() - at) {
                break;
            }
            if (!bytes.empty()) {
                std::memcpy(room.data() + at, bytes.data(), bytes.size());
            }
            at += bytes.size();
            ends[rows] = static_cast<std::uint32_t>(at);
        }
        return rows;
    }

  private:
    const std::size_t column_;
};

}  // namespace

Result<std::unique_ptr<RawEncoder>> RawEncoder::make(const data::Schema& schema,
                                                     std::string_view column) {
    const auto index = schema.index_of(column);
    if (!index) {
        return fail(Code::kInvalidArgument,
                    "format `raw` writes column `{}`, which is not there. Hint: use it for the "
                    "stream `errors`, or choose another format",
                    column);
    }
    if (!data::is_text(schema.fields()[*index].type.kind)) {
        return fail(Code::kInvalidArgument,
                    "format `raw` writes text or bytes, but column `{}` is {}", column,
                    data::to_string(schema.fields()[*index].type));
    }
    return std::make_unique<ColumnBytes>(*index);
}

}  // namespace millrace::operators
