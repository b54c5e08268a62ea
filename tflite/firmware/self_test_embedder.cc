// Made by seesaw_keras 0.1.0, seesaw export_micro, from micro.faces.int8.tflite (sha256 d2a9febf742b1e05f4a0c55705a75e932cfc52924a629f6ae927b93b86f2e615).

#include "face_embedder.h"
#include "golden.h"
#include "self_test.h"

namespace seesaw {

const char* TestEmbedder(FaceEmbedder& embedder, std::uint8_t* rgb) {
  for (std::size_t i = 0; i < kGoldenCount; ++i) {
    std::int8_t embedding[kEmbeddingSize];
    DrawGolden(i, rgb);
    if (!embedder.Embed(rgb, embedding)) return "inference failed";
    for (std::size_t j = 0; j < kEmbeddingSize; ++j) {
      if (embedding[j] != kGoldenEmbeddings[i][j]) return "an embedding differs from the golden one";
    }
  }
  return nullptr;
}

}  // namespace seesaw
