// @stamp

#include "model.h"

namespace seesaw {

// clang-format off
alignas(16) const unsigned char kModel[kModelSize] = {
@model_bytes};
// clang-format on

}  // namespace seesaw
