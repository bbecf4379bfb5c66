// tensor: element types, dimensions and host tensors.
export { selectAlong, spreadAlong } from './along-axis.ts';
export {
  addDims,
  bindShape,
  broadcastShapes,
  type Dim,
  type DimBindings,
  dimTerms,
  elementCount,
  evaluateDim,
  evaluateShape,
  isStatic,
  multiplyDims,
  normalizeAxis,
  printShape,
  type Shape,
  sameShape,
  staticDim,
  subtractDims,
} from './dim.ts';
export {
  arrayView,
  type DType,
  type DTypeArray,
  dtypeBytes,
  isFloat,
  isNarrowFloat,
  type NarrowFloat,
  narrowFloats,
  zeros,
} from './dtype.ts';
export { bfloat16ToFloat, floatToBfloat16, floatToHalf, halfToFloat } from './half.ts';
export {
  castTensor,
  firstNonFinite,
  float32,
  fromNumbers,
  type HostTensor,
  hostTensor,
  int32,
  int64,
  rawBytes,
  sizeOf,
  tensorBytes,
  toNumbers,
  transposeMatrix,
} from './host-tensor.ts';
export { type Bitmap, countKept, gatherKept, packFlags, scatterKept, unpackFlags } from './kept-elements.ts';
export { packCodes, packedBytes, unpackCodes } from './packed-codes.ts';
