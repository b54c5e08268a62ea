// Made by seesaw_keras 0.1.0, seesaw export_micro, from micro.faces.int8.tflite (sha256 d2a9febf742b1e05f4a0c55705a75e932cfc52924a629f6ae927b93b86f2e615).

#include "cosine.h"

namespace seesaw {
namespace {

// Dot products of two vectors: a with b, a with a, b with b.
struct Sums {
  std::int32_t ab = 0, aa = 0, bb = 0;
};

// An entry minus the zero point is -255 to 255, and the magnitude of a product at most 65025, so the magnitude of every
// partial sum of up to kLongestEmbedding = 33025 products is below 2^31.
Sums SumsOf(const std::int8_t* a, const std::int8_t* b, std::size_t size, int zero_point) {
  Sums sums;
  for (std::size_t i = 0; i < size; ++i) {
    const std::int32_t left = a[i] - zero_point, right = b[i] - zero_point;
    sums.ab += left * right;
    sums.aa += left * left;
    sums.bb += right * right;
  }
  return sums;
}

// high * 2^32 + low.
struct Wide {
  std::uint64_t high;
  std::uint32_t low;
};

// For left < 2^62 and right <= 2^30: high < 2^30 * 2^30 + 2^30, so nothing overflows.
Wide Multiply(std::uint64_t left, std::uint32_t right) {
  const std::uint64_t low = (left & 0xffffffffu) * right;
  return {(left >> 32) * right + (low >> 32), static_cast<std::uint32_t>(low)};
}

bool AtLeast(const Wide& left, const Wide& right) {
  return left.high != right.high ? left.high > right.high : left.low >= right.low;
}

std::uint64_t Square(std::int32_t value) {
  return static_cast<std::uint64_t>(static_cast<std::int64_t>(value) * value);
}

// Whether cosine = ab / sqrt(aa * bb) >= t / 2^15. If the signs do not decide, compares the squares ab^2 * 2^30 and
// t^2 * aa * bb. Sums have magnitudes below 2^31, so ab^2 and aa * bb are below 2^62.
bool Reaches(std::int32_t threshold, const Sums& sums) {
  if (sums.ab == 0) return threshold <= 0;
  if (sums.ab > 0 && threshold <= 0) return true;
  if (sums.ab < 0 && threshold >= 0) return false;
  const std::uint64_t squared_norms = static_cast<std::uint64_t>(sums.aa) * static_cast<std::uint64_t>(sums.bb);
  const Wide cosine = Multiply(Square(sums.ab), std::uint32_t{1} << 30);
  const Wide limit = Multiply(squared_norms, static_cast<std::uint32_t>(Square(threshold)));
  return sums.ab > 0 ? AtLeast(cosine, limit) : AtLeast(limit, cosine);
}

}  // namespace

std::int32_t CosineQ15(const std::int8_t* a, const std::int8_t* b, std::size_t size, int zero_point) {
  const Sums sums = SumsOf(a, b, size, zero_point);
  // Bisection for the largest threshold reached; -1 always is (Cauchy-Schwarz inequality, exact in integers).
  std::int32_t reached = -kOneQ15, beyond = kOneQ15 + 1;
  while (beyond - reached > 1) {
    const std::int32_t middle = reached + (beyond - reached) / 2;
    (Reaches(middle, sums) ? reached : beyond) = middle;
  }
  return reached;
}

bool CosineReaches(std::int32_t threshold, const std::int8_t* a, const std::int8_t* b, std::size_t size,
                   int zero_point) {
  return Reaches(threshold, SumsOf(a, b, size, zero_point));
}

}  // namespace seesaw
