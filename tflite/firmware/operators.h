// Made by seesaw_keras 0.1.0, seesaw export_micro, from micro.faces.int8.tflite (sha256 d2a9febf742b1e05f4a0c55705a75e932cfc52924a629f6ae927b93b86f2e615).
//
// Resolver with only the operators of the network, because each operator takes flash.

#ifndef SEESAW_OPERATORS_H_
#define SEESAW_OPERATORS_H_

#include "tensorflow/lite/c/common.h"
#include "tensorflow/lite/micro/micro_mutable_op_resolver.h"

namespace seesaw {

using Operators = tflite::MicroMutableOpResolver<10>;

// Returns whether all operators were added.
inline bool AddOperators(Operators& operators) {
  return operators.AddAdd() == kTfLiteOk &&
         operators.AddConcatenation() == kTfLiteOk &&
         operators.AddConv2D() == kTfLiteOk &&
         operators.AddDepthwiseConv2D() == kTfLiteOk &&
         operators.AddLogistic() == kTfLiteOk &&
         operators.AddMean() == kTfLiteOk &&
         operators.AddMul() == kTfLiteOk &&
         operators.AddPad() == kTfLiteOk &&
         operators.AddReshape() == kTfLiteOk &&
         operators.AddSlice() == kTfLiteOk;
}

}  // namespace seesaw

#endif  // SEESAW_OPERATORS_H_
