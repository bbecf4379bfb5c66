// Layer maps: which of M stored layers is applied at each of N places.
import { AppError } from '#base';

export type LayerScheme = 'all' | 'sequence' | 'cycle' | 'cycleReversed' | 'sandwich';

/** Place (from 0) -> stored layer. N places, M stored layers; a scheme whose M is fixed is given that. */
const schemes: { readonly [Scheme in LayerScheme]: (place: number, places: number, stored: number) => number } = {
  all: () => 0,
  sequence: (place, N, M) => Math.floor(place / Math.ceil(N / M)),
  cycle: (place, _, M) => place % M,
  cycleReversed: (place, N, M) => (place < N - M ? place % M : N - 1 - place),
  sandwich: (place, N) => (place === 0 ? 0 : place === N - 1 ? 2 : 1),
};

/** Fewest places at which a scheme shares anything. */
const fixedSizes: Readonly<Partial<Record<LayerScheme, { readonly stored: number; readonly fewestPlaces: number }>>> = {
  all: { stored: 1, fewestPlaces: 1 },
  sandwich: { stored: 3, fewestPlaces: 4 },
};

/**
 * The layer map of a scheme, for example [0, 0, 1, 1, 2, 2].
 *
 * @param stored - M, for the schemes that leave it open; `sequence` may use fewer of them where M does not divide N
 * @throws AppError `bad_recipe` for M that is not below N, or too few places
 * @see Takase and Kiyono, "Lessons on Parameter Sharing across Layers in Transformers", SustaiNLP 2023, §2
 */
export function layerMap(scheme: LayerScheme, places: number, stored: number | undefined): number[] {
  const fixed = fixedSizes[scheme];
  const unique = fixed?.stored ?? stored ?? places;
  const refuse = (field: string, problem: string): AppError =>
    new AppError('bad_recipe', `share.${field}: ${problem}`, { details: { field: `share.${field}` } });
  if (fixed !== undefined && places < fixed.fewestPlaces)
    throw refuse('scheme', `"${scheme}" shares nothing among ${places} layers; it needs at least ${fixed.fewestPlaces}.`);
  if (fixed === undefined && unique >= places)
    throw refuse('uniqueLayers', `${unique} of ${places} layers leaves nothing to share; give fewer, or more layers.`);
  return Array.from({ length: places }, (_, place) => schemes[scheme](place, places, unique));
}

/**
 * The trained layers that each stored layer replaces.
 *
 * With as many places as trained layers these are the places themselves. Where depth is added or taken away, the trained layers are cut into
 * as many runs as there are stored layers, so that M = L gives every layer its own weights; a sandwich keeps the outer two.
 *
 * @throws AppError `bad_recipe` for more stored layers than trained ones
 */
export function trainedLayers(scheme: LayerScheme, map: readonly number[], trained: number): number[][] {
  const stored = Math.max(...map) + 1;
  const layers = Array.from({ length: trained }, (_, layer) => layer);
  if (stored > trained)
    throw new AppError('bad_recipe', `share.uniqueLayers: ${stored} stored layers cannot start from ${trained} trained ones; give fewer.`, {
      details: { field: 'share.uniqueLayers' },
    });
  const of: (layer: number) => number | undefined =
    map.length === trained
      ? (layer) => map[layer]
      : scheme === 'sandwich'
        ? (layer) => (layer === 0 ? 0 : layer === trained - 1 ? 2 : 1)
        : (layer) => Math.floor((layer * stored) / trained);
  return Array.from({ length: stored }, (_, unique) => layers.filter((layer) => of(layer) === unique));
}
