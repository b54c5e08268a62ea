// @stamp
//
// Resolver with only the operators of the network, because each operator takes flash.

#ifndef SEESAW_OPERATORS_H_
#define SEESAW_OPERATORS_H_

#include "tensorflow/lite/c/common.h"
#include "tensorflow/lite/micro/micro_mutable_op_resolver.h"

namespace seesaw {

using Operators = tflite::MicroMutableOpResolver<@operator_count>;

// Returns whether all operators were added.
inline bool AddOperators(Operators& operators) {
  return @operator_calls;
}

}  // namespace seesaw

#endif  // SEESAW_OPERATORS_H_
