// What becomes of every parameter of the blocks: which one holds its weight, and which trained ones that weight comes from.
import { AppError } from '#base';
import { differentShapes, type ParameterSpec } from '#models';
import { sameShape } from '#tensor';
import { nearestNames } from '../nearest-name.ts';
import { matchesPattern } from '../patterns.ts';
import { type LayerScheme, layerMap, trainedLayers } from './layer-map.ts';
import type { ShareSettings } from './settings.ts';

/** Where a parameter lies: `decoder.h.3.mlp.fc.weight` is at place 3 of the stack `decoder.h`, and there `mlp.fc.weight`. */
interface Place {
  readonly stack: string;
  readonly place: number;
  readonly name: string;
}

/** One parameter of the model that is made. */
export interface PlannedParameter extends Place {
  readonly spec: ParameterSpec;
  /** The parameter that holds its weight; itself where it has its own. */
  readonly owner: string;
  /** The trained parameters that the owner's weight is made of. */
  readonly sources: readonly string[];
  /** The trained parameter at this place, or nearest to it. */
  readonly before: string;
}

export interface SharingPlan {
  readonly parameters: readonly PlannedParameter[];
  /** What a reader should know, for example that a scheme uses fewer layers than asked for. */
  readonly note?: string;
}

/** Undefined outside the blocks. Blocks are numbered by the first number in their paths. */
function placeOf({ path, block }: ParameterSpec): Place | undefined {
  const match = block === undefined ? null : /^(.*?)\.(\d+)\.(.*)$/.exec(path);
  return match === null ? undefined : { stack: match[1] ?? '', place: Number(match[2]), name: match[3] ?? '' };
}

/**
 * Plans the sharing of a model's blocks; stacks (encoder and decoder) each by themselves, except for `tiedEncoderDecoder`.
 *
 * @param target - the parameters of the model to make; more places than in `trained` where depth is added
 * @param chosen - the trained layer that a stored layer is taken from, of those given; absent: all of them go into it
 * @throws AppError `bad_recipe` | `shape_mismatch` | `pattern_matches_nothing` | `unsupported` (no encoder and decoder to tie)
 */
export function planSharing(
  target: readonly ParameterSpec[],
  trained: readonly ParameterSpec[],
  settings: ShareSettings,
  chosen?: (layers: readonly number[]) => number,
): SharingPlan {
  const placed = target.flatMap((spec) => {
    const place = placeOf(spec);
    return place === undefined ? [] : [{ spec, ...place }];
  });
  const isShared = selector(placed, target, settings);
  if (settings.scheme === 'tiedEncoderDecoder') return tieStacks(placed, isShared, settings.crossAttention === 'self');
  const stacks = new Set(placed.map(({ stack }) => stack));
  const notes: string[] = [];
  const parameters = [...stacks].flatMap((stack) => {
    const inStack = placed.filter((each) => each.stack === stack);
    const before = numPlaces(trained.flatMap((spec) => placeOf(spec) ?? []).filter((each) => each.stack === stack));
    const { scheme = 'all', uniqueLayers } = settings;
    const map = layerMap(scheme as LayerScheme, numPlaces(inStack), uniqueLayers);
    const used = new Set(map).size;
    if (uniqueLayers !== undefined && used < uniqueLayers)
      notes.push(`${scheme} over ${map.length} layers uses ${used} of the ${uniqueLayers} asked for`);
    return shareStack(inStack, { map, trained: trainedLayers(scheme as LayerScheme, map, before), numTrained: before }, isShared, chosen);
  });
  if (parameters.every(({ spec, owner }) => spec.path === owner))
    throw new AppError(
      'pattern_matches_nothing',
      'share: the include and exclude patterns leave nothing that two layers have. Exclude less.',
    );
  return { parameters, ...(notes.length === 0 ? {} : { note: notes.join('; ') }) };
}

type Placed = Place & { readonly spec: ParameterSpec };

function numPlaces(places: readonly Place[]): number {
  return places.reduce((most, { place }) => Math.max(most, place + 1), 0);
}

interface StackMap {
  readonly map: readonly number[];
  readonly trained: readonly (readonly number[])[];
  readonly numTrained: number;
}

function shareStack(
  placed: readonly Placed[],
  { map, trained, numTrained }: StackMap,
  isShared: (spec: ParameterSpec) => boolean,
  chosen: ((layers: readonly number[]) => number) | undefined,
): PlannedParameter[] {
  const owners = new Map<string, Placed>();
  const pathOf = ({ stack, name }: Place, layer: number): string => `${stack}.${layer}.${name}`;
  return placed.map((each): PlannedParameter => {
    const { spec, place, name } = each;
    const isSameDepth = map.length === numTrained;
    const before = pathOf(each, isSameDepth ? place : Math.floor((place * numTrained) / map.length));
    if (!isShared(spec)) return { ...each, owner: spec.path, sources: [before], before };
    const stored = map[place] ?? 0;
    const key = `${stored} ${name}`;
    const owner = owners.get(key) ?? each;
    owners.set(key, owner);
    if (!sameShape(owner.spec.shape, spec.shape)) throw differentShapes(spec, owner.spec);
    // A place that a pattern left out keeps its own weight, and gives nothing to the others.
    const layers = (trained[stored] ?? []).filter(
      (layer) => !isSameDepth || placed.some((other) => other.spec.path === pathOf(each, layer) && isShared(other.spec)),
    );
    const sources = chosen === undefined ? layers : [chosen(layers)];
    return { ...each, owner: owner.spec.path, sources: sources.map((layer) => pathOf(each, layer)), before };
  });
}

/**
 * The decoder's layers are the encoder's.
 *
 * @see Xia et al., "Tied Transformers", AAAI 2019; Rothe, Narayan and Severyn, "Leveraging Pre-trained Checkpoints", TACL 2020 (Share)
 */
function tieStacks(placed: readonly Placed[], isShared: (spec: ParameterSpec) => boolean, crossIsSelf: boolean): SharingPlan {
  const stacks = [...new Set(placed.map(({ stack }) => stack))];
  const encoder = stacks.find((stack) => stack.startsWith('encoder'));
  const decoder = stacks.find((stack) => stack.startsWith('decoder'));
  if (encoder === undefined || decoder === undefined)
    throw new AppError(
      'unsupported',
      `share.scheme: "tiedEncoderDecoder" needs an encoder and a decoder; this model has only "${stacks.join('" and "')}". Choose another scheme.`,
      { details: { field: 'share.scheme' } },
    );
  const byPath = new Map(placed.map((each) => [each.spec.path, each]));
  const parameters = placed.map((each): PlannedParameter => {
    const { spec, stack, place, name } = each;
    const own = { ...each, owner: spec.path, sources: [spec.path], before: spec.path };
    if (stack !== decoder || !isShared(spec)) return own;
    const isCross = /^cross/.test(name);
    if (isCross && !crossIsSelf) return own;
    const owner = byPath.get(`${encoder}.${place}.${isCross ? name.replace(/^cross\w*/, 'attn') : name}`);
    if (owner === undefined || !isShared(owner.spec)) return own;
    if (!sameShape(owner.spec.shape, spec.shape)) throw differentShapes(spec, owner.spec);
    return { ...own, owner: owner.spec.path, sources: [owner.spec.path] };
  });
  return { parameters };
}

/** Which parameters the settings let be shared. */
function selector(
  placed: readonly Placed[],
  target: readonly ParameterSpec[],
  { include, exclude, norms, scheme }: ShareSettings,
): (spec: ParameterSpec) => boolean {
  const paths = placed.map(({ spec }) => spec.path);
  for (const pattern of [...(include ?? []), ...(exclude ?? [])]) {
    if (paths.some((path) => matchesPattern(pattern, path))) continue;
    const near = nearestNames(pattern, paths, 3).join(', ');
    const message = `pattern "${pattern}" matches no parameter of the blocks. Near it are ${near}.`;
    throw new AppError('pattern_matches_nothing', message, { details: { pattern, near } });
  }
  const linear = new Set(target.flatMap(({ path, role }) => (role === 'linear' ? [path.replace(/\.weight$/, '')] : [])));
  const isNorm = ({ path, role }: ParameterSpec): boolean => role === 'vector' && !linear.has(path.replace(/\.(bias|weight)$/, ''));
  const ownsNorms = (norms ?? (scheme === 'sandwich' ? 'own' : 'shared')) === 'own';
  return (spec) =>
    !(ownsNorms && isNorm(spec)) &&
    (include === undefined || include.some((pattern) => matchesPattern(pattern, spec.path))) &&
    !(exclude ?? []).some((pattern) => matchesPattern(pattern, spec.path));
}
