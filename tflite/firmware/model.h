// Made by seesaw_keras 0.1.0, seesaw export_micro, from micro.faces.int8.tflite (sha256 d2a9febf742b1e05f4a0c55705a75e932cfc52924a629f6ae927b93b86f2e615).
//
// The network and its parameters.

#ifndef SEESAW_MODEL_H_
#define SEESAW_MODEL_H_

#include <cstddef>
#include <cstdint>

#include "cosine.h"

namespace seesaw {

// The flatbuffer.
constexpr std::size_t kModelSize = 384608;
constexpr std::uint32_t kModelCrc32 = 183774080u;
alignas(16) extern const unsigned char kModel[kModelSize];

// The image: R, G, B bytes in row-major order from the top left.
constexpr std::size_t kImageHeight = 96;
constexpr std::size_t kImageWidth = 96;
constexpr std::size_t kImageSize = kImageHeight * kImageWidth * 3;

// XOR mask from a pixel to the input byte, pixel - 128 in int8.
constexpr std::uint8_t kPixelFlip = 0x80;

// The embedding: int8 values with one scale and one zero point.
constexpr std::size_t kEmbeddingSize = 128;
constexpr int kEmbeddingZeroPoint = 5;
static_assert(kEmbeddingSize <= kLongestEmbedding, "sums of products would overflow int32");

// Minimum cosine at which two faces are the same person: 0.313947, in units of 1/32768.
constexpr std::int32_t kThresholdQ15 = 10287;

// Bytes of TFLite Micro's arena, in whole KiB: 184576 required on x86-64 (85392 planned, 99184
// persistent), and 8192 for scratch buffers of optimized kernels. On a 32-bit processor the persistent part should
// be smaller; FaceEmbedder::ArenaUsed() returns the bytes in use.
constexpr std::size_t kArenaSize = 193536;

}  // namespace seesaw

#endif  // SEESAW_MODEL_H_
