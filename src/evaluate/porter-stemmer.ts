// Porter's stemmer with the extensions of NLTK, on which published ROUGE figures rest.
import { at } from '#base';

const irregular: ReadonlyMap<string, string> = new Map([
  ['sky', 'sky'],
  ['skies', 'sky'],
  ['dying', 'die'],
  ['lying', 'lie'],
  ['tying', 'tie'],
  ['news', 'news'],
  ['innings', 'inning'],
  ['inning', 'inning'],
  ['outings', 'outing'],
  ['outing', 'outing'],
  ['cannings', 'canning'],
  ['canning', 'canning'],
  ['howe', 'howe'],
  ['proceed', 'proceed'],
  ['exceed', 'exceed'],
  ['succeed', 'succeed'],
]);

/** `c` or `v` for each letter; a y is a consonant at the start and after a vowel. */
function letterKinds(word: string): string {
  let kinds = '';
  for (const letter of word) kinds += 'aeiou'.includes(letter) || (letter === 'y' && kinds.endsWith('c')) ? 'v' : 'c';
  return kinds;
}

/** m of [C](VC)^m[V]. */
function measure(stem: string): number {
  return letterKinds(stem).split('vc').length - 1;
}

function endsWithDouble(word: string): boolean {
  return word.length >= 2 && word.at(-1) === word.at(-2) && letterKinds(word).endsWith('c');
}

/** Consonant, vowel, consonant other than w, x, y; or a word of a vowel and a consonant. */
function endsShort(word: string): boolean {
  const kinds = letterKinds(word);
  return (kinds.endsWith('cvc') && !/[wxy]$/.test(word)) || kinds === 'vc';
}

type Rule = readonly [suffix: string, replacement: string, holds?: (stem: string) => boolean];

/** Only the first rule whose suffix fits is tried. */
function applyFirst(word: string, rules: readonly Rule[]): string {
  for (const [suffix, replacement, holds] of rules) {
    if (!word.endsWith(suffix)) continue;
    const stem = word.slice(0, word.length - suffix.length);
    return holds === undefined || holds(stem) ? stem + replacement : word;
  }
  return word;
}

function plural(word: string): string {
  if (word.endsWith('ies') && word.length === 4) return `${word.slice(0, -3)}ie`;
  return applyFirst(word, [
    ['sses', 'ss'],
    ['ies', 'i'],
    ['ss', 'ss'],
    ['s', ''],
  ]);
}

function pastAndGerund(word: string): string {
  if (word.endsWith('ied')) return word.slice(0, -3) + (word.length === 4 ? 'ie' : 'i');
  if (word.endsWith('eed')) return measure(word.slice(0, -3)) > 0 ? word.slice(0, -1) : word;
  const suffix = ['ed', 'ing'].find((ending) => word.endsWith(ending) && letterKinds(word.slice(0, -ending.length)).includes('v'));
  if (suffix === undefined) return word;
  const stem = word.slice(0, -suffix.length);
  if (/(at|bl|iz)$/.test(stem)) return `${stem}e`;
  if (endsWithDouble(stem)) return /[lsz]$/.test(stem) ? stem : stem.slice(0, -1);
  return measure(stem) === 1 && endsShort(stem) ? `${stem}e` : stem;
}

const hasMeasure = (stem: string): boolean => measure(stem) > 0;
const hasLongMeasure = (stem: string): boolean => measure(stem) > 1;
const ofPairs = (pairs: string, holds: (stem: string) => boolean): Rule[] =>
  pairs.split(' ').map((pair) => {
    const parts = pair.split('>');
    return [at(parts, 0), parts[1] ?? '', holds];
  });

const doubleSuffixes: readonly Rule[] = [
  ...ofPairs(
    'ational>ate tional>tion enci>ence anci>ance izer>ize bli>ble alli>al entli>ent eli>e ousli>ous ization>ize ation>ate ator>ate alism>al iveness>ive fulness>ful ousness>ous aliti>al iviti>ive biliti>ble fulli>ful',
    hasMeasure,
  ),
  ['logi', 'log', (stem) => hasMeasure(`${stem}l`)],
];
const suffixesOfThree = ofPairs('icate>ic ative> alize>al iciti>ic ical>ic ful> ness>', hasMeasure);
const lastSuffixes: readonly Rule[] = [
  ...ofPairs('al ance ence er ic able ible ant ement ment ent', hasLongMeasure),
  ['ion', '', (stem) => hasLongMeasure(stem) && /[st]$/.test(stem)],
  ...ofPairs('ou ism ate iti ous ive ize', hasLongMeasure),
];

function joinSuffixes(word: string): string {
  if (word.endsWith('alli') && hasMeasure(word.slice(0, -4))) return joinSuffixes(word.slice(0, -2));
  return applyFirst(word, doubleSuffixes);
}

function finalE(word: string): string {
  if (!word.endsWith('e')) return word;
  const stem = word.slice(0, -1);
  const size = measure(stem);
  return size > 1 || (size === 1 && !endsShort(stem)) ? stem : word;
}

/**
 * The stem of a word in lower case.
 *
 * @see Porter, "An algorithm for suffix stripping", Program 14(3), 1980
 */
export function porterStem(word: string): string {
  const known = irregular.get(word);
  if (known !== undefined) return known;
  if (word.length <= 2) return word;
  const past = pastAndGerund(plural(word));
  const withI = applyFirst(past, [['y', 'i', (stem) => stem.length > 1 && letterKinds(stem).endsWith('c')]]);
  const shortened = finalE(applyFirst(applyFirst(joinSuffixes(withI), suffixesOfThree), lastSuffixes));
  return shortened.endsWith('ll') && measure(shortened.slice(0, -1)) > 1 ? shortened.slice(0, -1) : shortened;
}
