#include "operators/learning/label_column.h"

#include <limits>

#include "runtime/base/check.h"

namespace millrace::operators {
namespace {

template <class T>
void convert(const data::Column& column, std::size_t rows, std::span<float> labels) {
    const T* values = column.as<T>();
    for (std::size_t row = 0; row < rows; ++row) labels[row] = static_cast<float>(values[row]);
}

}  // namespace

bool is_label_type(data::Kind kind) {
    switch (kind) {
        case data::Kind::kBool:
        case data::Kind::kInt32:
        case data::Kind::kInt64:
        case data::Kind::kFloat32:
        case data::Kind::kFloat64:
            return true;
        default:
            return false;
    }
}

void read_labels(const data::Column& column, data::Kind kind, std::size_t rows,
                 std::span<float> labels) {
    MILLRACE_CHECK_GE(labels.size(), rows);
    switch (kind) {
        case data::Kind::kBool:
            for (std::size_t row = 0; row < rows; ++row)
                labels[row] = column.bool_at(row) ? 1.0F : 0.0F;
            break;
        case data::Kind::kInt32:
            convert<std::int32_t>(column, rows, labels);
            break;
        case data::Kind::kInt64:
            convert<std::int64_t>(column, rows, labels);
            break;
        case data::Kind::kFloat32:
            convert<float>(column, rows, labels);
            break;
        case data::Kind::kFloat64:
            convert<double>(column, rows, labels);
            break;
        default:
            MILLRACE_CHECK(!"not a label type");
    }
    if (column.validity == nullptr) return;
    for (std::size_t row = 0; row < rows; ++row) {
        if (column.is_null(row)) labels[row] = std::numeric_limits<float>::quiet_NaN();
    }
}

}  // namespace millrace::operators
