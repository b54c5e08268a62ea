"""Schema of TensorFlow Lite models: tables, their fields in order, enumerations.

>>> from seesaw_keras.tflite.flatbuffer.schema import ENUMS, options_type
>>> ENUMS["Padding"]
('SAME', 'VALID')
>>> options_type("MAX_POOL_2D")
'Pool2DOptions'

Names, order and defaults are those of TensorFlow Lite's schema version 3 (tests compare them with the classes that
ai-edge-litert generates from it). Each table is an entry `Name: field:type ...`; a field is identified by its position.
`[type]` is a vector, `bytes` a large [uint8], `=` gives a nonzero default, `-` marks a deprecated slot, and `!` marks
features that are rejected if set (sparse tensors, external buffers, StableHLO) and therefore need no layout.
"""

from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["ENUMS", "SCALARS", "TABLES", "Field", "default_options", "options_type"]

# Format characters of `struct` and NumPy; both need a "<" prefix, since flatbuffers are little-endian.
SCALARS = {
    "bool": "?",
    "int8": "b",
    "uint8": "B",
    "int32": "i",
    "uint32": "I",
    "int64": "q",
    "uint64": "Q",
    "float32": "f",
}

Kind = Literal["scalar", "enum", "string", "bytes", "vector", "table", "tables", "union"]


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a table.

    Attributes:
        name: field name in the schema.
        kind: storage class.
        of: type of a scalar or of a vector's entries, the enumeration, or the table ("" for a union).
        default: value of an absent field.
        refused: whether files that set the field are rejected.
    """

    name: str
    kind: Kind
    of: str
    default: Any
    refused: bool


_ENUMS = """
TensorType: FLOAT32 FLOAT16 INT32 UINT8 INT64 STRING BOOL INT16 COMPLEX64 INT8 FLOAT64 COMPLEX128 UINT64 RESOURCE
    VARIANT UINT32 UINT16 INT4 BFLOAT16 INT2 UINT4 FLOAT8_E4M3FN FLOAT8_E5M2
BuiltinOperator: ADD AVERAGE_POOL_2D CONCATENATION CONV_2D DEPTHWISE_CONV_2D DEPTH_TO_SPACE DEQUANTIZE
    EMBEDDING_LOOKUP FLOOR FULLY_CONNECTED HASHTABLE_LOOKUP L2_NORMALIZATION L2_POOL_2D LOCAL_RESPONSE_NORMALIZATION
    LOGISTIC LSH_PROJECTION LSTM MAX_POOL_2D MUL RELU RELU_N1_TO_1 RELU6 RESHAPE RESIZE_BILINEAR RNN SOFTMAX
    SPACE_TO_DEPTH SVDF TANH CONCAT_EMBEDDINGS SKIP_GRAM CALL CUSTOM EMBEDDING_LOOKUP_SPARSE PAD
    UNIDIRECTIONAL_SEQUENCE_RNN GATHER BATCH_TO_SPACE_ND SPACE_TO_BATCH_ND TRANSPOSE MEAN SUB DIV SQUEEZE
    UNIDIRECTIONAL_SEQUENCE_LSTM STRIDED_SLICE BIDIRECTIONAL_SEQUENCE_RNN EXP TOPK_V2 SPLIT LOG_SOFTMAX DELEGATE
    BIDIRECTIONAL_SEQUENCE_LSTM CAST PRELU MAXIMUM ARG_MAX MINIMUM LESS NEG PADV2 GREATER GREATER_EQUAL LESS_EQUAL
    SELECT SLICE SIN TRANSPOSE_CONV SPARSE_TO_DENSE TILE EXPAND_DIMS EQUAL NOT_EQUAL LOG SUM SQRT RSQRT SHAPE POW
    ARG_MIN FAKE_QUANT REDUCE_PROD REDUCE_MAX PACK LOGICAL_OR ONE_HOT LOGICAL_AND LOGICAL_NOT UNPACK REDUCE_MIN
    FLOOR_DIV REDUCE_ANY SQUARE ZEROS_LIKE FILL FLOOR_MOD RANGE RESIZE_NEAREST_NEIGHBOR LEAKY_RELU SQUARED_DIFFERENCE
    MIRROR_PAD ABS SPLIT_V UNIQUE CEIL REVERSE_V2 ADD_N GATHER_ND COS WHERE RANK ELU REVERSE_SEQUENCE MATRIX_DIAG
    QUANTIZE MATRIX_SET_DIAG ROUND HARD_SWISH IF WHILE NON_MAX_SUPPRESSION_V4 NON_MAX_SUPPRESSION_V5 SCATTER_ND
    SELECT_V2 DENSIFY SEGMENT_SUM BATCH_MATMUL PLACEHOLDER_FOR_GREATER_OP_CODES CUMSUM CALL_ONCE BROADCAST_TO RFFT2D
    CONV_3D IMAG REAL COMPLEX_ABS HASHTABLE HASHTABLE_FIND HASHTABLE_IMPORT HASHTABLE_SIZE REDUCE_ALL
    CONV_3D_TRANSPOSE VAR_HANDLE READ_VARIABLE ASSIGN_VARIABLE BROADCAST_ARGS RANDOM_STANDARD_NORMAL BUCKETIZE
    RANDOM_UNIFORM MULTINOMIAL GELU DYNAMIC_UPDATE_SLICE RELU_0_TO_1 UNSORTED_SEGMENT_PROD UNSORTED_SEGMENT_MAX
    UNSORTED_SEGMENT_SUM ATAN2 UNSORTED_SEGMENT_MIN SIGN BITCAST BITWISE_XOR RIGHT_SHIFT STABLEHLO_LOGISTIC
    STABLEHLO_ADD STABLEHLO_DIVIDE STABLEHLO_MULTIPLY STABLEHLO_MAXIMUM STABLEHLO_RESHAPE STABLEHLO_CLAMP
    STABLEHLO_CONCATENATE STABLEHLO_BROADCAST_IN_DIM STABLEHLO_CONVOLUTION STABLEHLO_SLICE STABLEHLO_CUSTOM_CALL
    STABLEHLO_REDUCE STABLEHLO_ABS STABLEHLO_AND STABLEHLO_COSINE STABLEHLO_EXPONENTIAL STABLEHLO_FLOOR STABLEHLO_LOG
    STABLEHLO_MINIMUM STABLEHLO_NEGATE STABLEHLO_OR STABLEHLO_POWER STABLEHLO_REMAINDER STABLEHLO_RSQRT
    STABLEHLO_SELECT STABLEHLO_SUBTRACT STABLEHLO_TANH STABLEHLO_SCATTER STABLEHLO_COMPARE STABLEHLO_CONVERT
    STABLEHLO_DYNAMIC_SLICE STABLEHLO_DYNAMIC_UPDATE_SLICE STABLEHLO_PAD STABLEHLO_IOTA STABLEHLO_DOT_GENERAL
    STABLEHLO_REDUCE_WINDOW STABLEHLO_SORT STABLEHLO_WHILE STABLEHLO_GATHER STABLEHLO_TRANSPOSE DILATE
    STABLEHLO_RNG_BIT_GENERATOR REDUCE_WINDOW STABLEHLO_COMPOSITE STABLEHLO_SHIFT_LEFT STABLEHLO_CBRT STABLEHLO_CASE
BuiltinOptions: NONE Conv2DOptions DepthwiseConv2DOptions ConcatEmbeddingsOptions LSHProjectionOptions
    Pool2DOptions SVDFOptions RNNOptions FullyConnectedOptions SoftmaxOptions ConcatenationOptions AddOptions
    L2NormOptions LocalResponseNormalizationOptions LSTMOptions ResizeBilinearOptions CallOptions ReshapeOptions
    SkipGramOptions SpaceToDepthOptions EmbeddingLookupSparseOptions MulOptions PadOptions GatherOptions
    BatchToSpaceNDOptions SpaceToBatchNDOptions TransposeOptions ReducerOptions SubOptions DivOptions SqueezeOptions
    SequenceRNNOptions StridedSliceOptions ExpOptions TopKV2Options SplitOptions LogSoftmaxOptions CastOptions
    DequantizeOptions MaximumMinimumOptions ArgMaxOptions LessOptions NegOptions PadV2Options GreaterOptions
    GreaterEqualOptions LessEqualOptions SelectOptions SliceOptions TransposeConvOptions SparseToDenseOptions
    TileOptions ExpandDimsOptions EqualOptions NotEqualOptions ShapeOptions PowOptions ArgMinOptions FakeQuantOptions
    PackOptions LogicalOrOptions OneHotOptions LogicalAndOptions LogicalNotOptions UnpackOptions FloorDivOptions
    SquareOptions ZerosLikeOptions FillOptions BidirectionalSequenceLSTMOptions BidirectionalSequenceRNNOptions
    UnidirectionalSequenceLSTMOptions FloorModOptions RangeOptions ResizeNearestNeighborOptions LeakyReluOptions
    SquaredDifferenceOptions MirrorPadOptions AbsOptions SplitVOptions UniqueOptions ReverseV2Options AddNOptions
    GatherNdOptions CosOptions WhereOptions RankOptions ReverseSequenceOptions MatrixDiagOptions QuantizeOptions
    MatrixSetDiagOptions HardSwishOptions IfOptions WhileOptions DepthToSpaceOptions NonMaxSuppressionV4Options
    NonMaxSuppressionV5Options ScatterNdOptions SelectV2Options DensifyOptions SegmentSumOptions BatchMatMulOptions
    CumsumOptions CallOnceOptions BroadcastToOptions Rfft2dOptions Conv3DOptions HashtableOptions HashtableFindOptions
    HashtableImportOptions HashtableSizeOptions VarHandleOptions ReadVariableOptions AssignVariableOptions
    RandomOptions BucketizeOptions GeluOptions DynamicUpdateSliceOptions UnsortedSegmentProdOptions
    UnsortedSegmentMaxOptions UnsortedSegmentMinOptions UnsortedSegmentSumOptions ATan2Options SignOptions
    BitcastOptions BitwiseXorOptions RightShiftOptions
Padding: SAME VALID
ActivationFunctionType: NONE RELU RELU_N1_TO_1 RELU6 TANH SIGN_BIT
LSHProjectionType: UNKNOWN SPARSE DENSE
FullyConnectedOptionsWeightsFormat: DEFAULT SHUFFLED4x16INT8
LSTMKernelType: FULL BASIC
CombinerType: SUM MEAN SQRTN
MirrorPadMode: REFLECT SYMMETRIC
"""

_TABLES = """
Model: version:uint32 operator_codes:[OperatorCode] subgraphs:[SubGraph] description:string buffers:[Buffer]
    metadata_buffer:[int32] metadata:[Metadata] signature_defs:[SignatureDef] external_buffer_groups!:table
    external_buffers!:table
OperatorCode: deprecated_builtin_code:int8 custom_code:string version:int32=1 builtin_code:int32
SubGraph: tensors:[Tensor] inputs:[int32] outputs:[int32] operators:[Operator] name:string
    debug_metadata_index:int32=-1
Tensor: shape:[int32] type:TensorType buffer:uint32 name:string quantization:QuantizationParameters is_variable:bool
    sparsity!:table shape_signature:[int32] has_rank:bool variant_tensors!:table external_buffer!:uint32
QuantizationParameters: min:[float32] max:[float32] scale:[float32] zero_point:[int64] details_type!:uint8
    details!:table quantized_dimension:int32
Operator: opcode_index:uint32 inputs:[int32] outputs:[int32] builtin_options_type:BuiltinOptions builtin_options:union
    custom_options:[uint8] custom_options_format!:int8 mutating_variable_inputs:[bool] intermediates:[int32]
    large_custom_options_offset!:uint64 large_custom_options_size!:uint64 builtin_options2_type!:uint8
    builtin_options2!:table debug_metadata_index:int32=-1
Buffer: data:bytes offset:uint64 size:uint64
Metadata: name:string buffer:uint32
SignatureDef: inputs:[TensorMap] outputs:[TensorMap] signature_key:string - subgraph_index:uint32
TensorMap: name:string tensor_index:uint32
Conv2DOptions: padding:Padding stride_w:int32 stride_h:int32 fused_activation_function:ActivationFunctionType
    dilation_w_factor:int32=1 dilation_h_factor:int32=1 quantized_bias_type:TensorType
DepthwiseConv2DOptions: padding:Padding stride_w:int32 stride_h:int32 depth_multiplier:int32
    fused_activation_function:ActivationFunctionType dilation_w_factor:int32=1 dilation_h_factor:int32=1
ConcatEmbeddingsOptions: num_channels:int32 num_columns_per_channel:[int32] embedding_dim_per_channel:[int32]
LSHProjectionOptions: type:LSHProjectionType
Pool2DOptions: padding:Padding stride_w:int32 stride_h:int32 filter_width:int32 filter_height:int32
    fused_activation_function:ActivationFunctionType
SVDFOptions: rank:int32 fused_activation_function:ActivationFunctionType asymmetric_quantize_inputs:bool
RNNOptions: fused_activation_function:ActivationFunctionType asymmetric_quantize_inputs:bool
FullyConnectedOptions: fused_activation_function:ActivationFunctionType
    weights_format:FullyConnectedOptionsWeightsFormat keep_num_dims:bool asymmetric_quantize_inputs:bool
    quantized_bias_type:TensorType quant_spec!:[uint8]
SoftmaxOptions: beta:float32
ConcatenationOptions: axis:int32 fused_activation_function:ActivationFunctionType
AddOptions: fused_activation_function:ActivationFunctionType pot_scale_int16:bool=1
L2NormOptions: fused_activation_function:ActivationFunctionType
LocalResponseNormalizationOptions: radius:int32 bias:float32 alpha:float32 beta:float32
LSTMOptions: fused_activation_function:ActivationFunctionType cell_clip:float32 proj_clip:float32
    kernel_type:LSTMKernelType asymmetric_quantize_inputs:bool
ResizeBilinearOptions: - - align_corners:bool half_pixel_centers:bool
CallOptions: subgraph:uint32
ReshapeOptions: new_shape:[int32]
SkipGramOptions: ngram_size:int32 max_skip_size:int32 include_all_ngrams:bool
SpaceToDepthOptions: block_size:int32
EmbeddingLookupSparseOptions: combiner:CombinerType
MulOptions: fused_activation_function:ActivationFunctionType
GatherOptions: axis:int32 batch_dims:int32
ReducerOptions: keep_dims:bool
SubOptions: fused_activation_function:ActivationFunctionType pot_scale_int16:bool=1
DivOptions: fused_activation_function:ActivationFunctionType
SqueezeOptions: squeeze_dims:[int32]
SequenceRNNOptions: time_major:bool fused_activation_function:ActivationFunctionType asymmetric_quantize_inputs:bool
StridedSliceOptions: begin_mask:int32 end_mask:int32 ellipsis_mask:int32 new_axis_mask:int32 shrink_axis_mask:int32
    offset:bool
SplitOptions: num_splits:int32
CastOptions: in_data_type:TensorType out_data_type:TensorType
ArgMaxOptions: output_type:TensorType
TransposeConvOptions: padding:Padding stride_w:int32 stride_h:int32 fused_activation_function:ActivationFunctionType
    quantized_bias_type:TensorType
SparseToDenseOptions: validate_indices:bool
ShapeOptions: out_type:TensorType
ArgMinOptions: output_type:TensorType
FakeQuantOptions: min:float32 max:float32 num_bits:int32 narrow_range:bool
PackOptions: values_count:int32 axis:int32
OneHotOptions: axis:int32
UnpackOptions: num:int32 axis:int32
BidirectionalSequenceLSTMOptions: fused_activation_function:ActivationFunctionType cell_clip:float32 proj_clip:float32
    merge_outputs:bool time_major:bool=1 asymmetric_quantize_inputs:bool
BidirectionalSequenceRNNOptions: time_major:bool fused_activation_function:ActivationFunctionType merge_outputs:bool
    asymmetric_quantize_inputs:bool
UnidirectionalSequenceLSTMOptions: fused_activation_function:ActivationFunctionType cell_clip:float32
    proj_clip:float32 time_major:bool asymmetric_quantize_inputs:bool diagonal_recurrent_tensors:bool
ResizeNearestNeighborOptions: align_corners:bool half_pixel_centers:bool
LeakyReluOptions: alpha:float32
MirrorPadOptions: mode:MirrorPadMode
SplitVOptions: num_splits:int32
UniqueOptions: idx_out_type:TensorType=INT32
ReverseSequenceOptions: seq_dim:int32 batch_dim:int32
IfOptions: then_subgraph_index:int32 else_subgraph_index:int32
WhileOptions: cond_subgraph_index:int32 body_subgraph_index:int32
DepthToSpaceOptions: block_size:int32
BatchMatMulOptions: adj_x:bool adj_y:bool asymmetric_quantize_inputs:bool
CumsumOptions: exclusive:bool reverse:bool
CallOnceOptions: init_subgraph_index:int32
Conv3DOptions: padding:Padding stride_d:int32 stride_w:int32 stride_h:int32
    fused_activation_function:ActivationFunctionType dilation_d_factor:int32=1 dilation_w_factor:int32=1
    dilation_h_factor:int32=1
HashtableOptions: table_id:int32 key_dtype:TensorType value_dtype:TensorType
VarHandleOptions: container:string shared_name:string
RandomOptions: seed:int64 seed2:int64
BucketizeOptions: boundaries:[float32]
GeluOptions: approximate:bool
"""

# Operators whose options table is not named after them.
_OTHER_OPTIONS = {
    "Conv3DOptions": "CONV_3D_TRANSPOSE",
    "L2NormOptions": "L2_NORMALIZATION",
    "MaximumMinimumOptions": "MAXIMUM MINIMUM",
    "Pool2DOptions": "AVERAGE_POOL_2D L2_POOL_2D MAX_POOL_2D",
    "RandomOptions": "MULTINOMIAL RANDOM_STANDARD_NORMAL RANDOM_UNIFORM",
    "ReducerOptions": "MEAN REDUCE_ALL REDUCE_ANY REDUCE_MAX REDUCE_MIN REDUCE_PROD SUM",
    "SequenceRNNOptions": "UNIDIRECTIONAL_SEQUENCE_RNN",
}


def _entries(text: str) -> list[tuple[str, list[str]]]:
    """Splits `Name: word word ...` entries, which may span several lines."""
    entries: list[tuple[str, list[str]]] = []
    for word in text.split():
        if word.endswith(":"):
            entries.append((word[:-1], []))
        else:
            entries[-1][1].append(word)
    return entries


def _field(word: str) -> Field | None:
    if word == "-":
        return None
    name, _, kind = word.partition(":")
    kind, _, default = kind.partition("=")
    refused = name.endswith("!")
    name = name.removesuffix("!")
    of = kind.strip("[]")
    if kind == "union":
        return Field(name, "union", "", None, refused)
    if kind == "string":
        return Field(name, "string", "uint8", "", refused)
    if kind == "bytes":
        return Field(name, "bytes", "uint8", (), refused)
    if kind.startswith("["):
        return Field(name, "vector" if of in SCALARS else "tables", of, (), refused)
    if of in SCALARS:
        return Field(name, "scalar", of, {"bool": bool, "float32": float}.get(of, int)(default or 0), refused)
    if of in ENUMS:
        return Field(name, "enum", of, default or ENUMS[of][0], refused)
    return Field(name, "table", of, None, refused)


ENUMS: dict[str, tuple[str, ...]] = {name: tuple(words) for name, words in _entries(_ENUMS)}
TABLES: dict[str, tuple[Field | None, ...]] = {
    **dict.fromkeys(ENUMS["BuiltinOptions"][1:], ()),  # most options tables are empty
    **{name: tuple(_field(word) for word in words) for name, words in _entries(_TABLES)},
}

_BY_OPERATOR = {operator: table for table, operators in _OTHER_OPTIONS.items() for operator in operators.split()}
_BY_LOWER_CASE = {name.lower(): name for name in ENUMS["BuiltinOptions"][1:]}


def options_type(code: str) -> str:
    """Returns the name of an operator's options table; "" if it has none.

    Args:
        code: operator name, such as "CONV_2D".
    """
    return _BY_OPERATOR.get(code) or _BY_LOWER_CASE.get(f"{code.replace('_', '')}options".lower(), "")


def default_options(code: str) -> dict[str, Any]:
    """Returns an operator's options with the schema's defaults, except strides of 1: kernels reject a stride of 0."""
    fields = (field for field in TABLES.get(options_type(code), ()) if field and not field.refused)
    return {field.name: 1 if field.name.startswith("stride_") else field.default for field in fields}
