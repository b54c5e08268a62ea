// Made by seesaw_keras 0.1.0, seesaw export_micro, from micro.faces.int8.tflite (sha256 d2a9febf742b1e05f4a0c55705a75e932cfc52924a629f6ae927b93b86f2e615).

#include "cosine.h"
#include "golden.h"
#include "model.h"
#include "self_test.h"

namespace seesaw {
namespace {

// CRC-32 as in zlib.
std::uint32_t Crc32(const std::uint8_t* data, std::size_t size) {
  std::uint32_t crc = 0xffffffffu;
  for (std::size_t i = 0; i < size; ++i) {
    crc ^= data[i];
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1u) != 0u ? 0xedb88320u : 0u);
  }
  return ~crc;
}

}  // namespace

const char* TestParts(std::uint8_t* rgb) {
  if (Crc32(kModel, kModelSize) != kModelCrc32) return "the model's CRC-32 differs from the exported one";
  for (std::size_t i = 0; i < kGoldenCount; ++i) {
    DrawGolden(i, rgb);
    if (Crc32(rgb, kImageSize) != kGoldenImageCrc32[i]) return "a golden image differs";
    for (std::size_t j = 0; j < kGoldenCount; ++j) {
      const std::int8_t *a = kGoldenEmbeddings[i], *b = kGoldenEmbeddings[j];
      const std::int32_t cosine = kGoldenCosinesQ15[i][j];
      if (CosineQ15(a, b, kEmbeddingSize, kEmbeddingZeroPoint) != cosine) return "a golden cosine differs";
      if (CosineReaches(kThresholdQ15, a, b, kEmbeddingSize, kEmbeddingZeroPoint) != (cosine >= kThresholdQ15)) {
        return "a cosine comparison is wrong";
      }
    }
  }
  return nullptr;
}

}  // namespace seesaw
