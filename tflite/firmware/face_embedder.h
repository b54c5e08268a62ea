// Made by seesaw_keras 0.1.0, seesaw export_micro, from micro.faces.int8.tflite (sha256 d2a9febf742b1e05f4a0c55705a75e932cfc52924a629f6ae927b93b86f2e615).
//
// Computes the embedding of an aligned face, and compares two embeddings.
//
//   alignas(16) static std::uint8_t arena[seesaw::kArenaSize];
//   static seesaw::FaceEmbedder embedder(arena, sizeof(arena));
//   if (!embedder.Begin()) { ... }
//   std::int8_t face[seesaw::kEmbeddingSize];
//   if (embedder.Embed(pixels, face) && seesaw::FaceEmbedder::Same(face, enrolled)) { ... }

#ifndef SEESAW_FACE_EMBEDDER_H_
#define SEESAW_FACE_EMBEDDER_H_

#include <cstddef>
#include <cstdint>

#include "model.h"
#include "operators.h"
#include "tensorflow/lite/micro/micro_interpreter.h"

namespace seesaw {

// Uses only its own memory and the arena, throws no exceptions and uses only integer arithmetic. Not thread-safe.
class FaceEmbedder {
 public:
  // `arena`: kArenaSize bytes, aligned to 16, that must outlive the embedder.
  FaceEmbedder(std::uint8_t* arena, std::size_t arena_size);
  FaceEmbedder(const FaceEmbedder&) = delete;
  FaceEmbedder& operator=(const FaceEmbedder&) = delete;

  // Initializes the network; call it once, before any other method. Returns false on failure, usually because the
  // arena is too small; TFLite Micro logs the reason.
  bool Begin();

  // Reads kImageSize bytes of `rgb` and writes kEmbeddingSize entries of `embedding`. Returns false, without writing,
  // if the network is not initialized or fails.
  bool Embed(const std::uint8_t* rgb, std::int8_t* embedding);

  // Bytes of the arena in use after Begin().
  std::size_t ArenaUsed() const { return interpreter_.arena_used_bytes(); }

  // The cosine of two embeddings in units of 1/32768, rounded down: -32768 to 32768.
  static std::int32_t Cosine(const std::int8_t* a, const std::int8_t* b) {
    return CosineQ15(a, b, kEmbeddingSize, kEmbeddingZeroPoint);
  }

  // Whether two embeddings are of the same person: their cosine is at least `threshold`, in the same units.
  static bool Same(const std::int8_t* a, const std::int8_t* b, std::int32_t threshold = kThresholdQ15) {
    return CosineReaches(threshold, a, b, kEmbeddingSize, kEmbeddingZeroPoint);
  }

 private:
  Operators operators_;
  tflite::MicroInterpreter interpreter_;
  bool ready_ = false;
};

}  // namespace seesaw

#endif  // SEESAW_FACE_EMBEDDER_H_
