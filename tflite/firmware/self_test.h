// Made by seesaw_keras 0.1.0, seesaw export_micro, from micro.faces.int8.tflite (sha256 d2a9febf742b1e05f4a0c55705a75e932cfc52924a629f6ae927b93b86f2e615).
//
// Verifies on the device that the files are intact and that the embeddings match those of the export.

#ifndef SEESAW_SELF_TEST_H_
#define SEESAW_SELF_TEST_H_

#include <cstdint>

namespace seesaw {

class FaceEmbedder;

// Both return an error message, nullptr on success, and overwrite `rgb`, kImageSize bytes such as the camera's buffer.

// Tests the model's checksum, the golden images and the cosines; does not use TFLite Micro.
const char* TestParts(std::uint8_t* rgb);

// Tests that the embeddings of the golden images are bit-exact; call it after Begin().
const char* TestEmbedder(FaceEmbedder& embedder, std::uint8_t* rgb);

}  // namespace seesaw

#endif  // SEESAW_SELF_TEST_H_
