// Made by seesaw_keras 0.1.0, tools/export_micro.py, from micro.faces.int8.tflite (sha256 d2a9febf742b1e05f4a0c55705a75e932cfc52924a629f6ae927b93b86f2e615).
//
// Proves on the device that the files arrived whole and compute what they computed where they were made.

#ifndef SEESAW_SELF_TEST_H_
#define SEESAW_SELF_TEST_H_

#include <cstdint>

namespace seesaw {

class FaceEmbedder;

// Both return what is wrong, nullptr if nothing is, and draw into `rgb`: kImageSize bytes, such as the camera's buffer.

// The model's bytes, the images, the cosines; without TFLite Micro.
const char* TestParts(std::uint8_t* rgb);

// The embeddings of the golden images, integer by integer, after Begin().
const char* TestEmbedder(FaceEmbedder& embedder, std::uint8_t* rgb);

}  // namespace seesaw

#endif  // SEESAW_SELF_TEST_H_
