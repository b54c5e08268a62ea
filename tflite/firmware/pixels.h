// Made by seesaw_keras 0.1.0, seesaw export_micro, from micro.faces.int8.tflite (sha256 d2a9febf742b1e05f4a0c55705a75e932cfc52924a629f6ae927b93b86f2e615).
//
// Conversion of pixels to the network's input.

#ifndef SEESAW_PIXELS_H_
#define SEESAW_PIXELS_H_

#include <cstddef>
#include <cstdint>

#include "model.h"

namespace seesaw {

// Converts `size` bytes of RGB to bytes of the network's input (pixel - 128 in int8); works in place.
inline void PixelsToInput(const std::uint8_t* rgb, std::uint8_t* input, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) input[i] = static_cast<std::uint8_t>(rgb[i] ^ kPixelFlip);
}

}  // namespace seesaw

#endif  // SEESAW_PIXELS_H_
