// @stamp
//
// Conversion of pixels to the network's input.

#ifndef SEESAW_PIXELS_H_
#define SEESAW_PIXELS_H_

#include <cstddef>
#include <cstdint>

#include "model.h"

namespace seesaw {

// Converts `size` bytes of RGB to bytes of the network's input (@preprocessing); works in place.
inline void PixelsToInput(const std::uint8_t* rgb, std::uint8_t* input, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) input[i] = static_cast<std::uint8_t>(rgb[i] ^ kPixelFlip);
}

}  // namespace seesaw

#endif  // SEESAW_PIXELS_H_
