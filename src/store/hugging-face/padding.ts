// Models whose layers differ, as transformers can say them: every layer padded with zeros to the sizes of the largest.
import { AppError, invariant } from '#base';
import { architectureOf, headWidthOf, type LayerShape, layerShapes, type ModelConfig, sideAxis, unitIndices, unitNames } from '#models';
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
  const target = largestShape(config, shapes);
  const architecture = architectureOf(config);
  const padded = architecture.resized(config, { layerShapes: shapes.map(() => target) });
  const newAxes = new Map(architecture.prunableUnits(padded).map((axis) => [axis.name, axis]));
  const places = new Map<string, { readonly axis: 0 | 1; readonly indices: Int32Array; readonly size: number }>();
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
      places.set(side.path, { axis: sideAxis(side), indices: unitIndices(side, units), size });
    }
  }
  return {
    config: padded,
    notes,
    pad: (path, dense) => {
      const place = places.get(path);
      return place === undefined ? dense : spreadAlong(dense, place.axis, place.indices, place.size);
    },
  };
}

function largestShape(config: ModelConfig, shapes: readonly LayerShape[]): LayerShape {
  const largest = (name: keyof LayerShape): number => Math.max(...shapes.map((shape) => shape[name]));
  const shape = { heads: largest('heads'), keyValueHeads: largest('keyValueHeads'), feedForwardWidth: largest('feedForwardWidth') };
  if (config.architecture !== 'gpt2') return shape;
  const headWidth = headWidthOf(config);
  // transformers knows the width of a head only as n_embd / n_head.
  const heads = config.width / headWidth;
  if (Number.isInteger(heads) && heads >= shape.heads) return { ...shape, heads, keyValueHeads: heads };
  throw new AppError(
    'unsupported',
    `${shape.heads} heads of width ${headWidth} do not fit the width ${config.width}: a Hugging Face config of GPT-2 has no field for the width of a head. Export to ONNX, or prune the heads to ${Math.floor(heads)} or fewer first.`,
  );
}
