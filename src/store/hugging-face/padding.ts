// Models whose layers differ, as transformers can say them: every layer padded with zeros to the sizes of the largest.
import { AppError, invariant } from '#base';
import {
  architectureOf,
  headWidthOf,
  isEncoderDecoder,
  type LayerShape,
  layerShapes,
  type ModelConfig,
  sideAxes,
  stackSizes,
  unitIndices,
  unitNames,
} from '#models';
import { type HostTensor, spreadAlong } from '#tensor';

/** How a model looks in a Hugging Face folder. */
export interface PaddedModel {
  /** All layers have the same sizes, and Hugging Face's fields can say them. */
  readonly config: ModelConfig;
  /** The dense tensor of a parameter with zeros where the model has none. */
  pad<D extends HostTensor['dtype']>(path: string, dense: HostTensor<D>): HostTensor<D>;
  /** What was padded, for people; empty where nothing was. */
  readonly notes: readonly string[];
}

/**
 * Zero heads and zero neurons add nothing to the outputs, so the padded model has the same logits. It has the speed and the size of the padded
 * shapes.
 *
 * @throws AppError `unsupported` for a GPT-2 whose heads do not fit its width: transformers derives the width of a head from both
 */
export function paddedModel(config: ModelConfig): PaddedModel {
  const shapes = layerShapes(config);
  const targets = targetShapes(config, shapes);
  const architecture = architectureOf(config);
  const padded = architecture.resized(config, { layerShapes: targets });
  const newAxes = new Map(architecture.prunableUnits(padded).map((axis) => [axis.name, axis]));
  const places = new Map<string, { readonly axes: readonly (0 | 1)[]; readonly indices: Int32Array; readonly size: number }>();
  const notes: string[] = [];
  for (const axis of architecture.prunableUnits(config)) {
    const newAxis = newAxes.get(axis.name);
    invariant(newAxis !== undefined, `padding lost the axis ${axis.name}`);
    if (newAxis.size === axis.size) continue;
    notes.push(`${axis.name}: ${axis.size} ${unitNames[axis.kind]} padded with zeros to ${newAxis.size}`);
    for (const [index, side] of newAxis.sides.entries()) {
      const units = Array.from({ length: axis.size }, (_, unit) => unit);
      const size = side.parts.reduce((sum, { width }) => sum + width * newAxis.size, 0);
      invariant(axis.sides[index]?.path === side.path, `the sides of ${axis.name} are the same at every size`);
      places.set(side.path, { axes: sideAxes(side), indices: unitIndices(side, units), size });
    }
  }
  return {
    config: padded,
    notes,
    pad: (path, dense) => {
      const place = places.get(path);
      return place === undefined ? dense : place.axes.reduce((tensor, axis) => spreadAlong(tensor, axis, place.indices, place.size), dense);
    },
  };
}

/** The sizes that each layer is padded to: those of the largest, of its stack where the two stacks of an encoder-decoder may differ. */
function targetShapes(config: ModelConfig, shapes: readonly LayerShape[]): LayerShape[] {
  // T5 has one set of sizes for both stacks.
  const isOne = isEncoderDecoder(config) && config.positions.kind === 'relative';
  return stackSizes(config).flatMap(({ firstBlock, layers }) => {
    const ofStack = isOne ? shapes : shapes.slice(firstBlock, firstBlock + layers);
    const target = largestShape(
      config,
      ofStack,
      firstBlock === 0 && isEncoderDecoder(config) ? config.encoder.headWidth : headWidthOf(config),
    );
    return shapes
      .slice(firstBlock, firstBlock + layers)
      .map(({ crossHeads }) => ({ ...target, ...(crossHeads === undefined ? {} : { crossHeads: target.heads }) }));
  });
}

/** Heads that read a table of relative positions are not padded, since that table has no zeros for them: they are the same in all layers. */
function largestShape(config: ModelConfig, shapes: readonly LayerShape[], headWidth: number): LayerShape {
  const largest = (name: 'heads' | 'keyValueHeads' | 'feedForwardWidth'): number => Math.max(...shapes.map((shape) => shape[name]));
  const crossHeads = Math.max(...shapes.map((shape) => shape.crossHeads ?? 0));
  const shape = {
    heads: Math.max(largest('heads'), crossHeads),
    keyValueHeads: Math.max(largest('keyValueHeads'), crossHeads),
    feedForwardWidth: largest('feedForwardWidth'),
  };
  const hasHeadWidth = !(config.architecture === 'gpt2' || (isEncoderDecoder(config) && config.positions.kind !== 'relative'));
  if (hasHeadWidth) return shape;
  // transformers knows the width of a head only as the width divided by the heads.
  const heads = config.width / headWidth;
  if (Number.isInteger(heads) && heads >= shape.heads) return { ...shape, heads, keyValueHeads: heads };
  const model = config.architecture === 'gpt2' ? 'GPT-2' : 'such an encoder-decoder';
  throw new AppError(
    'unsupported',
    `${shape.heads} heads of width ${headWidth} do not fit the width ${config.width}: a Hugging Face config of ${model} has no field for the width of a head. Export to ONNX, or prune the heads to ${Math.floor(heads)} or fewer first.`,
  );
}
