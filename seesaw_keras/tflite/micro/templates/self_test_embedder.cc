// @stamp

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
