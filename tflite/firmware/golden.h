// Made by seesaw_keras 0.1.0, seesaw export_micro, from micro.faces.int8.tflite (sha256 d2a9febf742b1e05f4a0c55705a75e932cfc52924a629f6ae927b93b86f2e615).
//
// Golden vectors: procedural images and their embeddings by TFLite Micro's reference kernels.

#ifndef SEESAW_GOLDEN_H_
#define SEESAW_GOLDEN_H_

#include <cstddef>
#include <cstdint>

#include "model.h"

namespace seesaw {

// Black, white, gradient and noise.
constexpr std::size_t kGoldenCount = 4;

// Draws an image into kImageSize bytes of RGB.
void DrawGolden(std::size_t number, std::uint8_t* rgb);

extern const std::uint32_t kGoldenImageCrc32[kGoldenCount];
extern const std::int8_t kGoldenEmbeddings[kGoldenCount][kEmbeddingSize];
// Cosines of all pairs of embeddings, in units of 1/32768.
extern const std::int32_t kGoldenCosinesQ15[kGoldenCount][kGoldenCount];

}  // namespace seesaw

#endif  // SEESAW_GOLDEN_H_
