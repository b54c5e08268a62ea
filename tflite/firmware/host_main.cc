// Made by seesaw_keras 0.1.0, seesaw export_micro, from micro.faces.int8.tflite (sha256 d2a9febf742b1e05f4a0c55705a75e932cfc52924a629f6ae927b93b86f2e615).
//
// The self-test as a desktop program; see CMakeLists.txt.

#include <cstdio>

#include "model.h"
#include "self_test.h"
#ifdef WITH_TFLITE_MICRO
#include "face_embedder.h"
#endif

namespace {

std::uint8_t image[seesaw::kImageSize];

int Report(const char* what, const char* wrong) {
  std::printf("%s: %s\n", what, wrong == nullptr ? "ok" : wrong);
  return wrong == nullptr ? 0 : 1;
}

#ifdef WITH_TFLITE_MICRO
alignas(16) std::uint8_t arena[seesaw::kArenaSize];

int TestWhole() {
  seesaw::FaceEmbedder embedder(arena, sizeof(arena));
  if (!embedder.Begin()) return Report("network", "initialization failed");
  std::printf("arena: %zu of %zu bytes\n", embedder.ArenaUsed(), sizeof(arena));
  return Report("network", seesaw::TestEmbedder(embedder, image));
}
#endif

}  // namespace

int main() {
  int failed = Report("parts", seesaw::TestParts(image));
#ifdef WITH_TFLITE_MICRO
  failed += TestWhole();
#endif
  return failed;
}
