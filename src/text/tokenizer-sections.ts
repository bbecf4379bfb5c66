// Checks of the parts of tokenizer.json that run on every text: none may make a small text huge, or search it without end.
import { badTokenizer, isObject, type JsonObject } from './tokenizer-error.ts';

/** Characters of any text in these parts; the patterns of published tokenizers have a few hundred. */
const mostCharacters = 2000;
/** What all parts of a section together may make of one character. */
const mostGrowth = 4096;

/** Tables in base64. */
const tables = new Set(['precompiled_charsmap']);
const texts = new Set(['replacement', 'prepend', 'content']);

/** @throws AppError `bad_tokenizer` naming the field */
export function checkSections(json: JsonObject, place: string): void {
  for (const section of ['normalizer', 'pre_tokenizer', 'post_processor', 'decoder']) {
    const growth = checkPart(json[section], `${place}: ${section}`);
    if (growth > mostGrowth)
      throw badTokenizer(`${place}: ${section}`, `its parts make up to ${growth} characters of one, at most ${mostGrowth} are allowed.`);
  }
}

/** Answers what this part and those below make of one character at most. */
function checkPart(part: unknown, place: string): number {
  if (typeof part !== 'object' || part === null) return 1;
  let growth = isObject(part) ? growthOf(part) : 1;
  for (const [key, value] of Object.entries(part)) {
    const where = Array.isArray(part) ? `${place}[${key}]` : `${place}.${key}`;
    if (typeof value === 'string') checkText(key, value, where);
    else if (texts.has(key) && value !== null) throw badTokenizer(where, 'must be a text.');
    growth *= checkPart(value, where);
  }
  return growth;
}

/** One part writes its text in place of a character or before it; byte-level parts write up to three characters, one for each byte. */
function growthOf({ type, content, replacement, prepend }: JsonObject): number {
  const length = (text: unknown): number => (typeof text === 'string' ? text.length : 0);
  const bytes = type === 'ByteLevel' ? 3 : 1;
  return bytes * Math.max(1, length(content)) * Math.max(1, length(replacement)) * (1 + length(prepend));
}

function checkText(key: string, value: string, where: string): void {
  if (value.length > mostCharacters && !tables.has(key))
    throw badTokenizer(where, `has ${value.length} characters, at most ${mostCharacters} are allowed.`);
  if (key === 'Regex' && repeatsRepetition(value))
    throw badTokenizer(
      where,
      `${JSON.stringify(value)} repeats a group that repeats, which may search a text without end. Write it without.`,
    );
}

/**
 * Whether a group that holds an unbounded repetition is repeated without bound itself, as in `(a+)+`: such patterns take time that doubles with
 * every character.
 *
 * Limit: alternatives that overlap and neighbouring repetitions of the same characters, which take polynomial time, are not found.
 */
export function repeatsRepetition(pattern: string): boolean {
  // Escapes and classes become one plain character, so that only groups and quantifiers are left.
  const plain = pattern.replace(/\\(?:[pPux]\{[^}]*\}|.)/gsu, 'x').replace(/\[[^\]]*\]/gu, 'x');
  const unbounded = /^(?:[*+]|\{\d+,\})/;
  const hasRepetition: boolean[] = [false];
  for (let index = 0; index < plain.length; index++) {
    const sign = plain[index];
    if (sign === '(') hasRepetition.push(false);
    else if (sign === ')') {
      const inner = hasRepetition.length > 1 && hasRepetition.pop() === true;
      const isRepeated = unbounded.test(plain.slice(index + 1, index + 12));
      if (inner && isRepeated) return true;
      if (inner || isRepeated) hasRepetition[hasRepetition.length - 1] = true;
    } else if (unbounded.test(plain.slice(index, index + 12))) hasRepetition[hasRepetition.length - 1] = true;
  }
  return false;
}
