// @stamp
//
// The network, and what there is to know about it.

#ifndef SEESAW_MODEL_H_
#define SEESAW_MODEL_H_

#include <cstddef>
#include <cstdint>

#include "cosine.h"

namespace seesaw {

// The flatbuffer, byte by byte.
constexpr std::size_t kModelSize = @model_size;
constexpr std::uint32_t kModelCrc32 = @{model_crc32}u;
alignas(16) extern const unsigned char kModel[kModelSize];

// The image: rows from top to bottom, in them pixels from left to right, in them R, G and B.
constexpr std::size_t kImageHeight = @height;
constexpr std::size_t kImageWidth = @width;
constexpr std::size_t kImageSize = kImageHeight * kImageWidth * 3;

// Bits in which a byte of the input, @preprocessing, differs from its pixel.
constexpr std::uint8_t kPixelFlip = @pixel_flip;

// The embedding: int8 values that stand for multiples of one scale, off by the zero point.
constexpr std::size_t kEmbeddingSize = @embedding_size;
constexpr int kEmbeddingZeroPoint = @zero_point;
static_assert(kEmbeddingSize <= kLongestEmbedding, "sums of products would leave int32");

// From this cosine on two faces are the same person: @threshold, in units of 1/32768.
constexpr std::int32_t kThresholdQ15 = @threshold_q15;

// Bytes of TFLite Micro's arena: @arena_total were enough on x86-64 (@planned planned, @persistent persistent), and
// @margin more are for scratch buffers of optimised kernels; in whole KiB. On a 32-bit processor the persistent part
// is smaller; FaceEmbedder::ArenaUsed() says what it is.
constexpr std::size_t kArenaSize = @arena_size;

}  // namespace seesaw

#endif  // SEESAW_MODEL_H_
