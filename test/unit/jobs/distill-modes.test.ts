// Which ways of teaching go together in a distill job, and what the errors say where they do not.
import { describe, expect, it } from 'vitest';
import { checkInput } from '../../../src/jobs/check-input.ts';
import { checkModes } from '../../../src/jobs/handlers/distill-modes.ts';
import { type DistillSpec, distillSpecSchema } from '../../../src/jobs/specs.ts';

const text = { inlineText: 'Once upon a time' };
const two = [{ model: 'first', weight: 2 }, { model: 'second' }];
const losses = [{ kind: 'labels' }, { kind: 'hidden' }];

/** As the handler reads it: the first of several teachers is the teacher. */
function specOf(changes: object): DistillSpec {
  const spec = checkInput(distillSpecSchema, { student: 's', teacher: 't', data: text, ...changes }, 'distill');
  const [first] = spec.teachers;
  return first === undefined ? spec : { ...spec, teacher: first.model };
}

describe('the modes of a distill job', () => {
  it.each([
    ['the own samples with several teachers', { teachers: two, onPolicy: {} }],
    ['the own samples with losses', { settings: { losses }, onPolicy: { beta: 1 } }],
    ['8-bit products of student and teacher', { settings: { products: 'int8', teacherProducts: 'int8' }, onPolicy: {} }],
    ['all three', { teachers: two, settings: { losses }, onPolicy: {} }],
    ['several teachers with losses', { teachers: two, settings: { losses } }],
    ['a teacher that writes targets of pairs', { data: { ...text, pairs: {} }, sequenceLevel: { beams: 4 } }],
    ['a teacher that goes on with running text', { sequenceLevel: { promptTokens: 4, temperature: 1, prompts: 9 } }],
  ])('allow %s', (_, changes) => {
    expect(() => checkModes(specOf(changes))).not.toThrow();
  });

  it.each([
    ['teachers', { teachers: [...two, { model: 'athanor://host:1/far' }] }, /must all be models of this server/],
    ['teachers', { teachers: two, sequenceLevel: {} }, /is of one teacher/],
    ['settings.losses', { teacher: 'athanor://host:1/far', settings: { losses } }, /"temperature" and "alpha"/],
    ['settings.losses', { settings: { losses }, sequenceLevel: {} }, /Leave one of them out/],
    ['settings.teacherProducts', { teacher: 'athanor://host:1/far', settings: { teacherProducts: 'int8' } }, /teachers on this server/],
    ['settings.teacherProducts', { teacher: '', recording: '/there', settings: { teacherProducts: 'int8' } }, /teachers on this server/],
    ['onPolicy', { onPolicy: {}, sequenceLevel: {} }, /Leave one of them out/],
    ['onPolicy', { teacher: '', recording: '/there', onPolicy: {} }, /needs a teacher on this server/],
    ['onPolicy', { data: { ...text, labelled: {} }, onPolicy: {} }, /needs running text/],
    ['sequenceLevel', { data: { ...text, labelled: {} }, sequenceLevel: {} }, /needs running text, or pairs/],
    ['sequenceLevel', { teacher: 'athanor://host:1/far', sequenceLevel: {} }, /needs a teacher on this server/],
    ['sequenceLevel.temperature', { data: { ...text, pairs: {} }, sequenceLevel: { temperature: 1 } }, /is of running text/],
    ['recording', { recording: '/there' }, /a recording or a teacher, not both/],
    ['teacherTopK', { teacherTopK: 3 }, /for a teacher on another server/],
  ])('name distill.%s in %j', (field, changes, message) => {
    expect(() => checkModes(specOf(changes))).toThrow(
      expect.objectContaining({
        code: 'invalid_argument',
        message: expect.stringMatching(message),
        details: { field: `distill.${field}` },
      }),
    );
  });

  it('look at losses as samples see them', () => {
    const wrong = specOf({ settings: { losses: [{ kind: 'labels' }] }, onPolicy: {} });
    expect(() => checkModes(wrong)).toThrow(/losses: only "labels" count/);
  });

  it.each([
    ['teachers', { teachers: two, onPolicy: { policyGradient: {} } }, /rewards of one teacher/],
    ['onPolicy.beta', { onPolicy: { beta: 1, policyGradient: {} } }, /Leave one of them out/],
    ['onPolicy.temperature', { onPolicy: { temperature: 0, policyGradient: {} } }, /above 0/],
    ['temperature', { settings: { temperature: 2 }, onPolicy: { policyGradient: {} } }, /Set it to 1/],
    ['temperature', { settings: { losses: [{ kind: 'logits', temperature: 2 }] }, onPolicy: { policyGradient: {} } }, /Set it to 1/],
  ])('name %s beside a policy gradient in %j', (field, changes, message) => {
    expect(() => checkModes(specOf(changes))).toThrow(
      expect.objectContaining({ code: 'invalid_argument', message: expect.stringMatching(message), details: { field } }),
    );
  });
});
