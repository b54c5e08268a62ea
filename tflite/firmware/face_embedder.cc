// Made by seesaw_keras 0.1.0, seesaw export_micro, from micro.faces.int8.tflite (sha256 d2a9febf742b1e05f4a0c55705a75e932cfc52924a629f6ae927b93b86f2e615).

#include "face_embedder.h"

#include "pixels.h"
#include "tensorflow/lite/schema/schema_generated.h"

namespace seesaw {

FaceEmbedder::FaceEmbedder(std::uint8_t* arena, std::size_t arena_size)
    : interpreter_(tflite::GetModel(kModel), operators_, arena, arena_size) {}

bool FaceEmbedder::Begin() {
  if (ready_) return true;
  if (!AddOperators(operators_) || interpreter_.AllocateTensors() != kTfLiteOk) return false;
  const TfLiteTensor* input = interpreter_.input(0);
  const TfLiteTensor* output = interpreter_.output(0);
  ready_ = input != nullptr && input->bytes == kImageSize && output != nullptr && output->bytes == kEmbeddingSize;
  return ready_;
}

bool FaceEmbedder::Embed(const std::uint8_t* rgb, std::int8_t* embedding) {
  if (!ready_) return false;
  // Written on every call, because the network overwrites its input's memory.
  PixelsToInput(rgb, interpreter_.input(0)->data.uint8, kImageSize);
  if (interpreter_.Invoke() != kTfLiteOk) return false;
  const std::int8_t* output = interpreter_.output(0)->data.int8;
  for (std::size_t i = 0; i < kEmbeddingSize; ++i) embedding[i] = output[i];
  return true;
}

}  // namespace seesaw
