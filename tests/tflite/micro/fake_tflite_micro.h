// What the exported sources use of TFLite Micro, for a network whose embedding is its input: to compile them, and to
// see what they do when it fails. FAKE_INVOKE and FAKE_ADD say what goes wrong.

#ifndef FAKE_TFLITE_MICRO_H_
#define FAKE_TFLITE_MICRO_H_

#include <cstddef>
#include <cstdint>

#ifndef FAKE_INVOKE
#define FAKE_INVOKE kTfLiteOk
#endif
#ifndef FAKE_ADD
#define FAKE_ADD kTfLiteOk
#endif
#ifndef FAKE_FLIP
#define FAKE_FLIP 0
#endif
#ifndef FAKE_OUTPUT
#define FAKE_OUTPUT kSize
#endif

enum TfLiteStatus { kTfLiteOk, kTfLiteError };

struct TfLiteTensor {
  union {
    std::uint8_t* uint8;
    std::int8_t* int8;
  } data;
  std::size_t bytes;
};

namespace tflite {

struct Model {};

inline const Model* GetModel(const void* data) { return static_cast<const Model*>(data); }

template <unsigned int count>
class MicroMutableOpResolver {
 public:
  TfLiteStatus AddQuantize() { return Add(); }
  TfLiteStatus AddReshape() { return Add(); }
  bool full() const { return added_ == count; }

 private:
  TfLiteStatus Add() { return ++added_ <= count ? FAKE_ADD : kTfLiteError; }
  unsigned int added_ = 0;
};

class MicroInterpreter {
 public:
  template <unsigned int count>
  MicroInterpreter(const Model*, const MicroMutableOpResolver<count>& operators, std::uint8_t* arena, std::size_t size)
      : full_([](const void* all) { return static_cast<const MicroMutableOpResolver<count>*>(all)->full(); }),
        operators_(&operators),
        size_(size) {
    input_.data.uint8 = arena;
    input_.bytes = kSize;
    output_.data.uint8 = arena;  // as in TFLite Micro, where the output may lie where the input lay
    output_.bytes = FAKE_OUTPUT;
  }
  TfLiteStatus AllocateTensors() { return full_(operators_) && size_ >= kSize ? kTfLiteOk : kTfLiteError; }
  TfLiteStatus Invoke() {
    for (std::size_t i = 0; i < kSize; ++i) {
      output_.data.uint8[i] = static_cast<std::uint8_t>(input_.data.uint8[i] ^ FAKE_FLIP);
    }
    return FAKE_INVOKE;
  }
  TfLiteTensor* input(std::size_t) { return &input_; }
  TfLiteTensor* output(std::size_t) { return &output_; }
  std::size_t arena_used_bytes() const { return kSize; }

 private:
  static constexpr std::size_t kSize = 60;
  bool (*full_)(const void*);
  const void* operators_;
  std::size_t size_;
  TfLiteTensor input_, output_;
};

}  // namespace tflite

#endif  // FAKE_TFLITE_MICRO_H_
