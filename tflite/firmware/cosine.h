// Made by seesaw_keras 0.1.0, seesaw export_micro, from micro.faces.int8.tflite (sha256 d2a9febf742b1e05f4a0c55705a75e932cfc52924a629f6ae927b93b86f2e615).
//
// Cosine similarity of two int8 embeddings, and its comparison with a threshold, in integer arithmetic.

#ifndef SEESAW_COSINE_H_
#define SEESAW_COSINE_H_

#include <cstddef>
#include <cstdint>

namespace seesaw {

constexpr std::int32_t kOneQ15 = 1 << 15;

// Maximum embedding size: 33025 * 255 * 255 is just below 2^31.
constexpr std::size_t kLongestEmbedding = 33025;

// Returns the cosine of a and b in units of 1/32768, rounded down: -32768 to 32768; 0 if one of them is all
// zeros. `size` is 1 to kLongestEmbedding, `zero_point` -128 to 127.
std::int32_t CosineQ15(const std::int8_t* a, const std::int8_t* b, std::size_t size, int zero_point);

// Returns whether the cosine is at least threshold / 32768, exactly: equals CosineQ15(...) >= threshold, without its
// bisection. `threshold` is -32768 to 32768.
bool CosineReaches(std::int32_t threshold, const std::int8_t* a, const std::int8_t* b, std::size_t size,
                   int zero_point);

}  // namespace seesaw

#endif  // SEESAW_COSINE_H_
