// @stamp

#include "golden.h"

namespace seesaw {

void DrawGolden(std::size_t number, std::uint8_t* rgb) {
  std::uint32_t state = 1;
  for (std::size_t y = 0; y < kImageHeight; ++y) {
    for (std::size_t x = 0; x < kImageWidth; ++x) {
      for (std::size_t channel = 0; channel < 3; ++channel) {
        state = 1664525u * state + 1013904223u;  // Numerical Recipes, section 7.1
        const std::size_t values[kGoldenCount] = {0, 255, 2 * x + 3 * y + 64 * channel, state >> 24};
        *rgb++ = static_cast<std::uint8_t>(values[number]);
      }
    }
  }
}

// clang-format off
const std::uint32_t kGoldenImageCrc32[kGoldenCount] = {
@golden_crc32s};
const std::int8_t kGoldenEmbeddings[kGoldenCount][kEmbeddingSize] = {
@golden_embeddings};
const std::int32_t kGoldenCosinesQ15[kGoldenCount][kGoldenCount] = {
@golden_cosines};
// clang-format on

}  // namespace seesaw
