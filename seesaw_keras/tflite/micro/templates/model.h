// @stamp
//
// The network and its parameters.

#ifndef SEESAW_MODEL_H_
#define SEESAW_MODEL_H_

#include <cstddef>
#include <cstdint>

#include "cosine.h"

namespace seesaw {

// The flatbuffer.
constexpr std::size_t kModelSize = @model_size;
constexpr std::uint32_t kModelCrc32 = @{model_crc32}u;
alignas(16) extern const unsigned char kModel[kModelSize];

// The image: R, G, B bytes in row-major order from the top left.
constexpr std::size_t kImageHeight = @height;
constexpr std::size_t kImageWidth = @width;
constexpr std::size_t kImageSize = kImageHeight * kImageWidth * 3;

// XOR mask from a pixel to the input byte, @preprocessing.
constexpr std::uint8_t kPixelFlip = @pixel_flip;

// The embedding: int8 values with one scale and one zero point.
constexpr std::size_t kEmbeddingSize = @embedding_size;
constexpr int kEmbeddingZeroPoint = @zero_point;
static_assert(kEmbeddingSize <= kLongestEmbedding, "sums of products would overflow int32");

// Minimum cosine at which two faces are the same person: @threshold, in units of 1/32768.
constexpr std::int32_t kThresholdQ15 = @threshold_q15;

// Bytes of TFLite Micro's arena, in whole KiB: @arena_total required on x86-64 (@planned planned, @persistent
// persistent), and @margin for scratch buffers of optimized kernels. On a 32-bit processor the persistent part should
// be smaller; FaceEmbedder::ArenaUsed() returns the bytes in use.
constexpr std::size_t kArenaSize = @arena_size;

}  // namespace seesaw

#endif  // SEESAW_MODEL_H_
