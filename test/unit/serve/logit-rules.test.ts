// Bias, penalties and ends that may not come yet, against their definitions.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LogitRules, type LogitRulesOptions } from '#serve';

const V = 12;
const token = fc.integer({ min: 0, max: V - 1 });
const logitRows = fc
  .array(fc.double({ min: -9, max: 9, noNaN: true }), { minLength: V, maxLength: V })
  .map((row) => Float32Array.from(row));

const allRules = fc.record({
  repetitionPenalty: fc.oneof(fc.constant(1), fc.double({ min: 0.5, max: 3, noNaN: true })),
  frequencyPenalty: fc.oneof(fc.constant(0), fc.double({ min: -2, max: 2, noNaN: true })),
  presencePenalty: fc.oneof(fc.constant(0), fc.double({ min: -2, max: 2, noNaN: true })),
  logitBias: fc.array(fc.tuple(token, fc.double({ min: -100, max: 100, noNaN: true })), { maxLength: 4 }).map((pairs) => new Map(pairs)),
  prompt: fc.array(token, { maxLength: 6 }),
  endTokens: fc.uniqueArray(token, { maxLength: 3 }).map((ids) => new Set(ids)),
  minNewTokens: fc.integer({ min: 0, max: 4 }),
});

/** One id after the other, as the definitions say. */
function byDefinition(logits: Float32Array, generated: readonly number[], options: LogitRulesOptions): number[] {
  return Array.from(logits, (logit, id) => {
    const count = generated.filter((other) => other === id).length;
    let score = Math.fround(logit + (options.logitBias.get(id) ?? 0));
    if (count > 0 || Array.from(options.prompt).includes(id))
      score = Math.fround(score > 0 ? score / options.repetitionPenalty : score * options.repetitionPenalty);
    if (count > 0) score = Math.fround(score - count * options.frequencyPenalty - options.presencePenalty);
    return generated.length < options.minNewTokens && options.endTokens.has(id) ? Number.NEGATIVE_INFINITY : score;
  });
}

function withoutSignOfZero(values: ArrayLike<number>): number[] {
  return Array.from(values, (value) => value + 0);
}

describe('LogitRules', () => {
  it('changes every logit as its definition says, and leaves the logits themselves alone', () => {
    fc.assert(
      fc.property(logitRows, allRules, fc.array(token, { maxLength: 6 }), (logits, options, generated) => {
        const before = [...logits];
        const rules = new LogitRules(options);
        for (const id of generated) rules.push(id);
        expect(withoutSignOfZero(rules.adjust(logits))).toEqual(withoutSignOfZero(byDefinition(logits, generated, options)));
        expect([...logits]).toEqual(before);
      }),
    );
  });

  it('forgets what it is rewound behind, as if it had never been', () => {
    const tokens = fc.array(token, { maxLength: 5 });
    fc.assert(
      fc.property(logitRows, allRules, tokens, tokens, tokens, (logits, options, first, lost, second) => {
        const rewound = new LogitRules(options);
        for (const id of [...first, ...lost]) rewound.push(id);
        rewound.rewind(first.length);
        for (const id of second) rewound.push(id);
        const straight = new LogitRules(options);
        for (const id of [...first, ...second]) straight.push(id);
        expect(rewound.numGenerated).toBe(straight.numGenerated);
        expect([...rewound.adjust(logits)]).toEqual([...straight.adjust(logits)]);
      }),
    );
  });

  it('copies nothing where no rule holds', () => {
    const plain = { repetitionPenalty: 1, frequencyPenalty: 0, presencePenalty: 0, logitBias: new Map(), prompt: [1, 2] };
    const rules = new LogitRules({ ...plain, endTokens: new Set([3]), minNewTokens: 1 });
    const logits = new Float32Array(V);
    expect(rules.adjust(logits)).not.toBe(logits);
    rules.push(2);
    expect(rules.adjust(logits)).toBe(logits);
  });
});
