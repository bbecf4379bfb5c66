// The sharing method: layer maps, what the stored layers start as, reports, refusals, and later steps on what is shared.
import { describe, expect, it } from 'vitest';
import { type OperationContext, quietContext } from '#base';
import { type CompressionReport, compressModel, type LayerReport, methods, parseRecipe, WindowCalibration } from '#compress';
import { createReferenceEngine } from '#engine/reference';
import {
  checkModel,
  denseParameter,
  type Model,
  materializeParameter,
  type ParameterSpec,
  parameterCounts,
  parameterSpecs,
  replaceParameters,
  storedTensors,
} from '#models';
import { castTensor } from '#tensor';
import { layerMap, trainedLayers } from '../../../src/compress/share/layer-map.ts';
import { planSharing } from '../../../src/compress/share/plan.ts';
import { shareSettings } from '../../../src/compress/share/settings.ts';
import { blockSimilarities, mostTypical } from '../../../src/compress/share/similarity.ts';
import { largestDifference } from '../models/tiny-models.ts';
import { gpt2Config, llamaConfig, tinyModel, tinyWindows } from './tiny-model.ts';

const engine = createReferenceEngine();
const calibration = new WindowCalibration(engine, tinyWindows());
const six = { ...gpt2Config, layers: 6 };

async function compress(model: Model, ...steps: readonly object[]): Promise<{ model: Model; report: CompressionReport }> {
  return await compressModel(model, parseRecipe({ steps }, methods), { engine, calibration }, quietContext);
}

async function shared(settings: object, model: Model = tinyModel(six)): Promise<{ model: Model; rows: readonly LayerReport[] }> {
  const result = await compress(model, { share: settings });
  checkModel(result.model);
  return { model: result.model, rows: result.report.steps[0]!.layers };
}

/** The layer map as it is stored: by a matrix, the block that holds the weights of each. */
function storedMap(model: Model, part = 'mlp.fc.weight'): number[] {
  return Array.from({ length: model.config.layers }, (_, block) => {
    const parameter = model.parameters.get(`h.${block}.${part}`)!;
    return parameter.kind === 'shared' ? Number(/\d+/.exec(String(parameter.settings['of']))![0]) : block;
  });
}

const numbers = (model: Model, path: string): ArrayLike<number> => materializeParameter(model, path).data;

describe('layerMap', () => {
  it.each([
    ['sequence', 6, 3, '001122'],
    ['cycle', 6, 3, '012012'],
    ['cycleReversed', 6, 3, '012210'],
    ['sequence', 12, 6, '001122334455'],
    ['cycle', 12, 6, '012345012345'],
    ['cycleReversed', 12, 6, '012345543210'],
    ['sequence', 18, 6, '000111222333444555'],
    ['cycleReversed', 18, 6, '012345012345543210'],
    ['sequence', 7, 3, '0001112'],
    ['sequence', 6, 4, '001122'],
    ['cycle', 7, 3, '0120120'],
    ['cycleReversed', 7, 3, '0120210'],
    ['cycleReversed', 5, 3, '01210'],
    ['cycleReversed', 4, 3, '0210'],
    ['cycle', 2, 1, '00'],
    ['all', 4, undefined, '0000'],
    ['sandwich', 6, undefined, '011112'],
    ['sandwich', 4, undefined, '0112'],
  ] as const)('%s of %i places and %s stored layers is %4$s', (scheme, places, stored, expected) => {
    expect(layerMap(scheme, places, stored).join('')).toBe(expected);
  });

  it('uses only stored layers, for every M below N', () => {
    for (const scheme of ['sequence', 'cycle', 'cycleReversed'] as const)
      for (let places = 2; places < 20; places++)
        for (let stored = 1; stored < places; stored++) {
          const map = layerMap(scheme, places, stored);
          expect(map).toHaveLength(places);
          expect(Math.min(...map)).toBe(0);
          expect(Math.max(...map)).toBeLessThan(stored);
          if (scheme !== 'sequence' || places % stored === 0) expect(new Set(map).size).toBe(stored);
        }
  });

  it('takes each stored layer from the trained ones that it replaces', () => {
    expect(trainedLayers('cycle', [0, 1, 2, 0, 1, 2], 6)).toEqual([
      [0, 3],
      [1, 4],
      [2, 5],
    ]);
    expect(trainedLayers('cycle', [0, 1, 2, 0, 1, 2], 3)).toEqual([[0], [1], [2]]);
    expect(trainedLayers('sequence', [0, 0, 1, 1], 6)).toEqual([
      [0, 1, 2],
      [3, 4, 5],
    ]);
    expect(trainedLayers('sandwich', [0, 1, 1, 1, 1, 1, 1, 2], 5)).toEqual([[0], [1, 2, 3], [4]]);
  });
});

describe('share', () => {
  it.each([
    ['sequence', { uniqueLayers: 3 }, [0, 0, 2, 2, 4, 4], 3],
    ['cycle', { uniqueLayers: 3 }, [0, 1, 2, 0, 1, 2], 3],
    ['cycleReversed', { uniqueLayers: 3 }, [0, 1, 2, 2, 1, 0], 3],
    ['all', {}, [0, 0, 0, 0, 0, 0], 1],
  ] as const)('stores the layers of %s once, in gpt2 and in llama', async (scheme, settings, map, stored) => {
    for (const config of [six, { ...llamaConfig, layers: 6 }]) {
      const { model, rows } = await shared({ scheme, ...settings }, tinyModel(config));
      expect(storedMap(model, config.architecture === 'gpt2' ? 'attn.qkv.weight' : 'attn.q.weight')).toEqual(map);
      const [whole, one, two] = [config, { ...config, layers: 1 }, { ...config, layers: 2 }].map(
        (each) => parameterCounts(tinyModel(each)).stored,
      );
      expect(parameterCounts(model).stored).toBe(one! + (stored - 1) * (two! - one!));
      expect(rows.map(({ path }) => path)).toEqual(['h.0', 'h.1', 'h.2', 'h.3', 'h.4', 'h.5']);
      const saved = rows.reduce((sum, { bytesBefore, bytesAfter }) => sum + bytesBefore - bytesAfter, 0);
      expect(saved).toBe(4 * (whole! - parameterCounts(model).stored));
    }
  });

  it('keeps the norms of a sandwich in every layer, and those of others where that is asked for', async () => {
    const { model } = await shared({ scheme: 'sandwich' });
    expect(storedMap(model)).toEqual([0, 1, 1, 1, 1, 5]);
    expect(storedMap(model, 'mlp.fc.bias')).toEqual([0, 1, 1, 1, 1, 5]);
    for (const norm of ['ln1.weight', 'ln1.bias', 'ln2.weight', 'ln2.bias']) expect(storedMap(model, norm)).toEqual([0, 1, 2, 3, 4, 5]);
    expect(storedMap((await shared({ scheme: 'sandwich', norms: 'shared' })).model, 'ln2.bias')).toEqual([0, 1, 1, 1, 1, 5]);
    expect(storedMap((await shared({ scheme: 'all', norms: 'own' })).model, 'ln2.bias')).toEqual([0, 1, 2, 3, 4, 5]);
  });

  it('has a size that does not depend on the number of layers, as ALBERT', async () => {
    const sizes = await Promise.all(
      [2, 3, 8].map(
        async (layers) => parameterCounts((await shared({ scheme: 'all' }, tinyModel({ ...gpt2Config, layers }))).model).stored,
      ),
    );
    expect(new Set(sizes).size).toBe(1);
    const [deep] = [await shared({ scheme: 'all', layers: 24 }, tinyModel(six))];
    expect(parameterCounts(deep.model).stored).toBe(sizes[0]);
    expect(deep.model.config.layers).toBe(24);
  });

  it('takes the first layer or the mean, in the stored type', async () => {
    const model = tinyModel(six);
    const first = await shared({ scheme: 'cycle', uniqueLayers: 2 }, model);
    expect(first.model.parameters.get('h.1.mlp.fc.weight')).toBe(model.parameters.get('h.1.mlp.fc.weight'));
    expect(first.rows[0]).toMatchObject({ weightError: 0, kindAfter: 'dense', note: 'serves h.2, h.4 too; taken from h.0' });
    expect(first.rows[3]).toMatchObject({ bytesAfter: 0, kindAfter: 'shared', note: 'shares the weights of h.1' });
    expect(first.rows[3]!.weightError).toBeGreaterThan(1); // independent random weights are √2 apart

    const halves = replaceParameters(
      model,
      [...model.parameters.values()].map(({ path, tensors }) => denseParameter(path, castTensor(tensors['value']!, 'float16'))),
    );
    const average = await shared({ scheme: 'cycle', uniqueLayers: 2, from: 'average' }, halves);
    const made = average.model.parameters.get('h.1.mlp.fc.weight')!.tensors['value']!;
    expect(made.dtype).toBe('float16');
    const [a, b, c] = [1, 3, 5].map((block) => numbers(halves, `h.${block}.mlp.fc.weight`));
    const mean = Float64Array.from(a!, (value, index) => (value + b![index]! + c![index]!) / 3);
    expect(largestDifference(numbers(average.model, 'h.1.mlp.fc.weight'), mean)).toBeLessThan(1e-3);
    expect(average.rows[1]!.note).toBe('serves h.3, h.5 too; mean of h.1, h.3, h.5');
  });

  it('shares only what the patterns name', async () => {
    const { model } = await shared({ scheme: 'all', include: ['*.mlp.*'], exclude: ['h.0.*', '*.proj.bias'] });
    expect(storedMap(model)).toEqual([0, 1, 1, 1, 1, 1]);
    expect(storedMap(model, 'mlp.proj.bias')).toEqual([0, 1, 2, 3, 4, 5]);
    expect(storedMap(model, 'attn.qkv.weight')).toEqual([0, 1, 2, 3, 4, 5]);
    await expect(shared({ scheme: 'all', include: ['h.0.*'] })).rejects.toThrow(/pattern_matches_nothing.*leave nothing/);
    await expect(shared({ scheme: 'all', include: ['h.0.mpl.*'] })).rejects.toThrow(/pattern_matches_nothing.*Near it are/);
  });

  it('adds depth at the same size: layers start where they were, or with the nearest one', async () => {
    const model = tinyModel({ ...gpt2Config, layers: 3 });
    const { model: deep, rows } = await shared({ scheme: 'sequence', uniqueLayers: 3, layers: 6, norms: 'own' }, model);
    expect(storedMap(deep)).toEqual([0, 0, 2, 2, 4, 4]);
    expect(parameterCounts(deep).stored).toBe(parameterCounts(model).stored + 3 * 4 * 16);
    expect(numbers(deep, 'h.5.mlp.fc.weight')).toEqual(numbers(model, 'h.2.mlp.fc.weight'));
    expect(numbers(deep, 'h.3.ln1.weight')).toEqual(numbers(model, 'h.1.ln1.weight'));
    expect(rows[5]).toMatchObject({ path: 'h.5', bytesAfter: 4 * 4 * 16, weightError: 0 });
    const { model: cycled } = await shared({ scheme: 'cycle', uniqueLayers: 3, layers: 6 }, model);
    expect(parameterCounts(cycled).stored).toBe(parameterCounts(model).stored);
    expect(numbers(cycled, 'h.4.mlp.fc.weight')).toEqual(numbers(model, 'h.1.mlp.fc.weight'));
    const { model: sandwich } = await shared({ scheme: 'sandwich', layers: 8 }, tinyModel(six));
    expect(storedMap(sandwich)).toEqual([0, 1, 1, 1, 1, 1, 1, 7]);
    expect(numbers(sandwich, 'h.7.mlp.fc.weight')).toEqual(numbers(tinyModel(six), 'h.5.mlp.fc.weight'));
  });

  it('chooses the layer that is most like those it replaces, by what blocks do on text', async () => {
    // Blocks 1 to 3 are one, 0 is another.
    const model = tinyModel({ ...gpt2Config, layers: 4 });
    const copies = [...parameterSpecs(model).values()].flatMap(({ path, block = 0 }) =>
      block < 2 ? [] : [{ ...model.parameters.get(path.replace(/^h\.\d/, 'h.1'))!, path }],
    );
    const alike = replaceParameters(model, copies);
    for (const similarity of ['cosine', 'cka'] as const) {
      const measured = await blockSimilarities(alike, similarity, calibration, quietContext);
      for (const [block, row] of measured.entries()) expect(row[block]).toBeCloseTo(1, 5);
      expect(measured[1]![2]!).toBeCloseTo(measured[2]![1]!, 6);
      expect(measured[1]![2]!).toBeGreaterThan(measured[0]![2]!);
      expect(mostTypical(measured, [0, 1, 2, 3]).layer).toBeGreaterThan(0);
      const { model: after, rows } = await shared({ scheme: 'all', from: 'similar', similarity }, alike);
      expect(numbers(after, 'h.0.mlp.fc.weight')).toEqual(numbers(alike, 'h.1.mlp.fc.weight'));
      expect(rows[0]!.note).toMatch(/^serves h\.1, h\.2, h\.3 too; taken from h\.\d, similarity 0\.\d{3} to the others$/);
    }
  });

  it('says which steps need text, and stops between blocks', async () => {
    const needs = (settings: object): boolean => methods['share']!.step(settings, 'share').needsCalibration;
    expect(needs({ scheme: 'all' })).toBe(false);
    expect(needs({ scheme: 'all', from: 'similar' })).toBe(true);
    const step = methods['share']!.step({ scheme: 'all', from: 'similar' }, 'share');
    await expect(step.apply(tinyModel(), { engine }, quietContext)).rejects.toMatchObject({ code: 'not_enough_samples' });
    const controller = new AbortController();
    const seen: (string | undefined)[] = [];
    const context: OperationContext = {
      signal: controller.signal,
      report: ({ item, step: number }) => {
        seen.push(item);
        if (number === 2) controller.abort();
      },
    };
    await expect(methods['share']!.step({ scheme: 'all' }, 'share').apply(tinyModel(six), { engine }, context)).rejects.toMatchObject({
      code: 'cancelled',
    });
    expect(seen).toEqual(['h.0', 'h.1']);
  });

  it.each([
    [{ scheme: 'cycle' }, /steps\[0\]\.share\.uniqueLayers: is needed by scheme "cycle"/],
    [{ scheme: 'all', uniqueLayers: 2 }, /share\.uniqueLayers: is always 1/],
    [{}, /share\.scheme: needs a scheme, or an embedding/],
    [{ scheme: 'cylce', uniqueLayers: 2 }, /share\.scheme: .*cycleReversed/],
    [{ scheme: 'cycle', uniqueLayers: 2, halting: {} }, /share\.halting: repeats one layer/],
    [{ scheme: 'all', layers: 100000 }, /share\.layers: .*1024, got 100000/],
    [{ scheme: 'all', halting: { maxSteps: 100000 } }, /share\.halting\.maxSteps: .*1024/],
    [{ embedding: { width: 15 } }, /bad_recipe.*share\.embedding\.width: 15 is not a multiple of heads, 4/],
    [{ scheme: 'all', layers: 3, halting: { maxSteps: 4 } }, /share\.halting\.maxSteps: is 4, but layers is 3/],
  ])('refuses %j before any work', (settings, message) => {
    expect(() => parseRecipe({ steps: [{ share: settings }] }, methods)).toThrow(message);
  });

  it('names what does not fit the model', async () => {
    await expect(shared({ scheme: 'cycle', uniqueLayers: 6 })).rejects.toThrow(/bad_recipe.*uniqueLayers: 6 of 6 layers leaves nothing/);
    await expect(shared({ scheme: 'cycle', uniqueLayers: 7, layers: 9 })).rejects.toThrow(
      /bad_recipe.*7 stored layers cannot start from 6/,
    );
    await expect(shared({ scheme: 'sandwich' }, tinyModel())).rejects.toThrow(/bad_recipe.*at least 4/);
    await expect(shared({ scheme: 'tiedEncoderDecoder' })).rejects.toThrow(
      /unsupported.*needs an encoder and a decoder; this model has only "h"/,
    );
    const { model } = await shared({ scheme: 'sandwich' });
    await expect(shared({ scheme: 'all' }, model)).rejects.toThrow(/already_shared.*h\.1\./);
    const lowRank = (await compress(tinyModel(six), { lowRank: { rank: 3 } })).model;
    await expect(shared({ scheme: 'all', from: 'average' }, lowRank)).rejects.toThrow(/bad_recipe.*"average" needs dense weights.*lowRank/);
    expect((await shared({ scheme: 'all' }, lowRank)).model.parameters.get('h.0.mlp.fc.weight')!.kind).toBe('lowRank');
  });

  it('says how many layers a sequence really uses', async () => {
    const { report } = await compress(tinyModel(six), { share: { scheme: 'sequence', uniqueLayers: 4 } });
    expect(report.steps[0]!.note).toBe('sequence over 6 layers uses 3 of the 4 asked for');
  });
});

describe('planSharing on declarations', () => {
  const stack = (side: string, firstBlock: number, parts: readonly string[], width = 8): ParameterSpec[] =>
    [0, 1].flatMap((layer) =>
      parts.flatMap((part): ParameterSpec[] => {
        const path = `${side}.h.${layer}.${part}`;
        const block = firstBlock + layer;
        if (part.endsWith('norm')) return [{ path: `${path}.weight`, role: 'vector', shape: [8], block }];
        return [
          { path: `${path}.weight`, role: 'linear', shape: [8, width], block },
          { path: `${path}.bias`, role: 'vector', shape: [width], block },
        ];
      }),
    );
  const specs = (width = 8): ParameterSpec[] => [
    { path: 'embed.token.weight', role: 'embedding', shape: [20, 8] },
    ...stack('encoder', 0, ['attn.norm', 'attn.q', 'mlp.norm', 'mlp.fc']),
    ...stack('decoder', 2, ['attn.norm', 'attn.q', 'cross.norm', 'cross.q', 'mlp.norm', 'mlp.fc'], width),
  ];
  const owners = (settings: object, width?: number): Record<string, string> => {
    const all = specs(width);
    return Object.fromEntries(planSharing(all, all, shareSettings.parse(settings)).parameters.map(({ spec, owner }) => [spec.path, owner]));
  };

  it('ties the decoder to the encoder, cross-attention apart or as self-attention', () => {
    const own = owners({ scheme: 'tiedEncoderDecoder' });
    expect(own).toMatchObject({
      'decoder.h.1.attn.q.weight': 'encoder.h.1.attn.q.weight',
      'decoder.h.0.mlp.norm.weight': 'encoder.h.0.mlp.norm.weight',
      'decoder.h.1.cross.q.bias': 'decoder.h.1.cross.q.bias',
      'encoder.h.1.attn.q.weight': 'encoder.h.1.attn.q.weight',
    });
    const self = owners({ scheme: 'tiedEncoderDecoder', crossAttention: 'self' });
    expect(self).toMatchObject({
      'decoder.h.1.cross.q.bias': 'encoder.h.1.attn.q.bias',
      'decoder.h.1.cross.norm.weight': 'encoder.h.1.attn.norm.weight',
    });
  });

  it('shares within each stack for the other schemes', () => {
    expect(owners({ scheme: 'all' })).toMatchObject({
      'encoder.h.1.attn.q.weight': 'encoder.h.0.attn.q.weight',
      'decoder.h.1.attn.q.weight': 'decoder.h.0.attn.q.weight',
      'decoder.h.1.cross.q.weight': 'decoder.h.0.cross.q.weight',
    });
  });

  it('refuses layers of different shapes', () => {
    expect(() => owners({ scheme: 'tiedEncoderDecoder' }, 6)).toThrow(
      /shape_mismatch.*decoder\.h\.0\.attn\.q\.weight \[8, 6\] and encoder\.h\.0\.attn\.q\.weight \[8, 8\]: layers of different shapes/,
    );
    const uneven = specs().map((spec) => (spec.path === 'encoder.h.1.mlp.fc.weight' ? { ...spec, shape: [8, 4] } : spec));
    expect(() => planSharing(uneven, uneven, shareSettings.parse({ scheme: 'all' }))).toThrow(
      /shape_mismatch.*encoder\.h\.1\.mlp\.fc\.weight/,
    );
  });
});

describe('later steps on a shared model', () => {
  it.each([
    ['lowRank', { rank: 4 }],
    ['lowRank', { rank: 16, method: 'whitened' }],
    ['quantize', { bits: 8, groupSize: 16 }],
    ['quantize', { bits: 4, groupSize: 16, method: 'gptq' }],
    ['kronecker', { ratio: 0.9 }],
  ])('%s %j acts once where a weight is stored, and says what else it is', async (method, settings) => {
    const { model, report } = await compress(tinyModel(six), { share: { scheme: 'sandwich' } }, { [method]: settings });
    checkModel(model);
    const rows = report.steps[1]!.layers;
    expect(rows.map(({ path }) => path.split('.')[1])).toEqual([...'000011115555']);
    expect(rows[4]!.note).toContain('is h.2.attn.qkv.weight, h.3.attn.qkv.weight, h.4.attn.qkv.weight too');
    expect(model.parameters.get('h.3.attn.qkv.weight')!.kind).toBe('shared');
    expect(report.bytesBefore - report.bytesAfter).toBe(report.steps.reduce((sum, step) => sum + step.bytesBefore - step.bytesAfter, 0));
    expect([...storedTensors(model).keys()].some((name) => name.startsWith('h.2.mlp'))).toBe(false);
  });

  it('moves hidden units only where every layer on the axis shares all of it', async () => {
    const settings = { terms: 2, shape: [2, 4], permute: 'hidden', include: ['*.mlp.fc.weight'] };
    const moved = async (scheme: object): Promise<number[]> => {
      const { model: before } = await shared(scheme, tinyModel({ ...gpt2Config, layers: 3 }));
      const { model: after } = await compress(before, { kronecker: settings });
      checkModel(after);
      const isOwn = (block: number): boolean => before.parameters.get(`h.${block}.mlp.proj.weight`)!.kind === 'dense';
      return [0, 1, 2].filter((block) => {
        const path = `h.${block}.mlp.proj.weight`;
        return isOwn(block) && largestDifference(numbers(after, path), numbers(before, path)) > 0;
      });
    };
    expect(await moved({ scheme: 'all', include: ['*.attn.*'] })).toEqual([0, 1, 2]);
    expect(await moved({ scheme: 'all' })).toEqual([0]);
    expect(await moved({ scheme: 'all', include: ['*.mlp.fc.*'] })).toEqual([]);
    expect(await moved({ scheme: 'all', include: ['*.mlp.proj.*'] })).toEqual([]);
  });

  it('sums the calibration of all places where a weight is used', async () => {
    const { model } = await shared({ scheme: 'all' }, tinyModel());
    const path = 'h.0.mlp.fc.weight';
    const gramsOf = async (which: Model, paths: readonly string[]): Promise<{ grams: Float64Array[]; tokens: number[] }> => {
      const [grams, tokens]: [Float64Array[], number[]] = [[], []];
      for await (const moments of calibration.inputMoments(which, paths, quietContext)) {
        grams.push(moments.gram);
        tokens.push(moments.tokens);
      }
      return { grams, tokens };
    };
    const apart = replaceParameters(model, [denseParameter('h.1.mlp.fc.weight', materializeParameter(model, path))]);
    const [together, each] = [await gramsOf(model, [path]), await gramsOf(apart, [path, 'h.1.mlp.fc.weight'])];
    expect(together.tokens).toEqual([each.tokens[0]! * 2]);
    expect(
      largestDifference(
        together.grams[0]!,
        each.grams[0]!.map((value, index) => value + each.grams[1]![index]!),
      ),
    ).toBeLessThan(1e-6);
  });

  it('says where a weight is stored when a pattern names only its users', async () => {
    const { model } = await shared({ scheme: 'all' });
    for (const patterns of [{ include: ['h.2.*'] }, { exclude: ['h.2.*'] }])
      await expect(compress(model, { lowRank: { rank: 2, ...patterns } })).rejects.toThrow(
        /pattern_matches_nothing.*"h\.2\.\*" matches only shared matrices: h\.2\.attn\.qkv\.weight is stored once, as h\.0\.attn\.qkv\.weight/,
      );
    expect((await compress(model, { lowRank: { rank: 2, include: ['*.fc.*'] } })).report.steps[0]!.layers).toHaveLength(1);
  });
});
