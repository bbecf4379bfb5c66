// From token ids to the bytes of text they stand for, so that whole and streamed decoding agree byte for byte.
import { at } from '#base';
import { badTokenizer, isObject, type JsonObject } from './tokenizer-error.ts';
import type { TokenizerFile } from './tokenizer-file.ts';

/** What each token adds to the text. */
export interface TokenPieces {
  /** UTF-8 bytes of a token; `isFirst` where it opens the text. An id without a token adds nothing. */
  bytes(id: number, isFirst: boolean): Uint8Array;
  /** Up to `count` leading copies of `character` are cut from the whole text. */
  readonly leadingCut: { readonly character: string; readonly count: number };
}

/** What decoding needs to know of a tokenizer. */
export interface DecodingTable {
  /** Bytes by token. */
  readonly pieces: TokenPieces;
  /** Ids that `skipSpecialTokens` leaves out. */
  readonly specialTokens: ReadonlySet<number>;
}

/** One token on its way through the decoder's steps. */
interface Piece {
  readonly text: string;
  /** Added tokens are plain text also where the others are spelt in the byte alphabet. */
  readonly isAdded: boolean;
  /** Set once the token is known to stand for bytes. */
  readonly bytes?: Uint8Array;
}

type Step = (piece: Piece, isFirst: boolean) => Piece;

interface Plan {
  readonly steps: readonly Step[];
  readonly leadingCut: TokenPieces['leadingCut'];
}

const noCut: TokenPieces['leadingCut'] = { character: ' ', count: 0 };
const supported = 'ByteLevel, ByteFallback, Metaspace, Replace, Strip, Fuse, WordPiece and sequences of them';
const encoder = new TextEncoder();
const noBytes = new Uint8Array(0);

/**
 * Compiles the decoder of tokenizer.json to a table of bytes by token.
 *
 * Works for every decoder in which a token's text depends on itself and on being the first; that is what makes exact streaming
 * possible. Differs from Hugging Face in one place: bytes that are no UTF-8 become one U+FFFD for each maximal bad
 * sequence (the WHATWG rule) also in ByteFallback, and a byte order mark is kept.
 *
 * @throws AppError `bad_tokenizer` for other decoders
 */
export function compilePieces(file: TokenizerFile): TokenPieces {
  const plan = file.decoder === undefined ? joinWithSpaces : planDecoder(file.decoder, 'tokenizer.json: decoder');
  const addedIds = new Set(file.addedTokens.map((token) => token.id));
  const cache = new Map<number, Uint8Array>();
  return {
    leadingCut: plan.leadingCut,
    bytes: (id, isFirst) => {
      const token = file.tokenById.get(id);
      if (token === undefined) return noBytes;
      const key = isFirst ? -1 - id : id;
      let bytes = cache.get(key);
      if (bytes === undefined) {
        bytes = run(plan.steps, { text: token, isAdded: addedIds.has(id) }, isFirst);
        cache.set(key, bytes);
      }
      return bytes;
    },
  };
}

function run(steps: readonly Step[], token: Piece, isFirst: boolean): Uint8Array {
  const piece = steps.reduce((current, step) => (current.bytes === undefined ? step(current, isFirst) : current), token);
  return piece.bytes ?? encoder.encode(piece.text);
}

const joinWithSpaces: Plan = {
  steps: [(piece, isFirst) => (isFirst || piece.text === '' ? piece : { ...piece, text: ` ${piece.text}` })],
  leadingCut: noCut,
};

function planDecoder(decoder: JsonObject, place: string): Plan {
  switch (decoder['type']) {
    case 'ByteLevel':
      return { steps: [byteLevel], leadingCut: noCut };
    case 'ByteFallback':
      return { steps: [byteFallback], leadingCut: noCut };
    case 'Fuse':
      return { steps: [], leadingCut: noCut };
    case 'Metaspace':
      return planMetaspace(decoder);
    case 'Replace':
      return { steps: [replaceStep(decoder, place)], leadingCut: noCut };
    case 'WordPiece':
      return { steps: [wordPieceStep(decoder)], leadingCut: noCut };
    case 'Strip':
      return { steps: [], leadingCut: stripCut(decoder, place) };
    case 'Sequence':
      return planSequence(decoder, place);
    default:
      throw badTokenizer(place, `type ${JSON.stringify(decoder['type'])} is not supported; supported are ${supported}.`);
  }
}

function planSequence(decoder: JsonObject, place: string): Plan {
  const parts = decoder['decoders'];
  if (!Array.isArray(parts)) throw badTokenizer(`${place}.decoders`, 'must be a list.');
  const steps: Step[] = [];
  let leadingCut = noCut;
  let isFused = false;
  parts.forEach((part: unknown, index) => {
    const where = `${place}.decoders[${index}]`;
    if (!isObject(part)) throw badTokenizer(where, 'must be an object.');
    if (part['type'] === 'Fuse') isFused = true;
    // After Fuse the whole text is one token: only a cut at its start still works token by token.
    else if (isFused && part['type'] !== 'Strip') throw badTokenizer(where, `${JSON.stringify(part['type'])} after Fuse is not supported.`);
    else if (!isFused && part['type'] === 'Strip') steps.push(stripStep(stripCut(part, where)));
    else {
      const plan = planDecoder(part, where);
      steps.push(...plan.steps);
      if (plan.leadingCut.count > 0) leadingCut = plan.leadingCut;
    }
  });
  return { steps, leadingCut };
}

const alphabet = byteLevelAlphabet();

/** The GPT-2 alphabet: printable Latin-1 characters stand for themselves, other bytes for U+0100 onwards. */
function byteLevelAlphabet(): ReadonlyMap<string, number> {
  const byCharacter = new Map<string, number>();
  let others = 0;
  for (let byte = 0; byte < 256; byte++) {
    const isPrintable = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
    byCharacter.set(String.fromCharCode(isPrintable ? byte : 256 + others++), byte);
  }
  return byCharacter;
}

function byteLevel(piece: Piece): Piece {
  const isSpelt = !piece.isAdded && Array.from(piece.text).every((character) => alphabet.has(character));
  if (!isSpelt) return { ...piece, bytes: encoder.encode(piece.text) };
  return { ...piece, bytes: Uint8Array.from(piece.text, (character) => alphabet.get(character) ?? 0) };
}

function byteFallback(piece: Piece): Piece {
  const match = /^<0x([0-9a-fA-F]{2})>$/.exec(piece.text);
  return match === null ? piece : { ...piece, bytes: Uint8Array.of(Number.parseInt(at(match, 1), 16)) };
}

function planMetaspace(decoder: JsonObject): Plan {
  const replacement = typeof decoder['replacement'] === 'string' ? decoder['replacement'] : '▁';
  const keepsFirst = decoder['prepend_scheme'] === 'never' || decoder['add_prefix_space'] === false;
  const step: Step = (piece, isFirst) => {
    const spaced = piece.text.replaceAll(replacement, ' ');
    return { ...piece, text: isFirst && !keepsFirst && spaced.startsWith(' ') ? spaced.slice(1) : spaced };
  };
  return { steps: [step], leadingCut: noCut };
}

function replaceStep(decoder: JsonObject, place: string): Step {
  const pattern = decoder['pattern'];
  const content = typeof decoder['content'] === 'string' ? decoder['content'] : '';
  if (isObject(pattern) && typeof pattern['String'] === 'string') {
    const search = pattern['String'];
    return (piece) => ({ ...piece, text: piece.text.replaceAll(search, () => content) });
  }
  if (isObject(pattern) && typeof pattern['Regex'] === 'string') {
    try {
      const search = new RegExp(pattern['Regex'], 'gu');
      return (piece) => ({ ...piece, text: piece.text.replace(search, () => content) });
    } catch (cause) {
      throw badTokenizer(`${place}.pattern`, `"${pattern['Regex']}" is not a regular expression.`, cause);
    }
  }
  throw badTokenizer(`${place}.pattern`, 'must hold a String or a Regex.');
}

function wordPieceStep(decoder: JsonObject): Step {
  const prefix = typeof decoder['prefix'] === 'string' ? decoder['prefix'] : '##';
  return (piece, isFirst) => {
    if (isFirst || piece.text === '') return piece;
    return { ...piece, text: piece.text.startsWith(prefix) ? piece.text.slice(prefix.length) : ` ${piece.text}` };
  };
}

function stripCut(decoder: JsonObject, place: string): TokenPieces['leadingCut'] {
  const { content, start, stop } = decoder;
  if (typeof content !== 'string' || content.length !== 1) throw badTokenizer(`${place}.content`, 'must be one character.');
  if (stop !== 0 && stop !== undefined) throw badTokenizer(`${place}.stop`, `${JSON.stringify(stop)} is not supported; use 0.`);
  return { character: content, count: typeof start === 'number' ? start : 0 };
}

function stripStep(cut: TokenPieces['leadingCut']): Step {
  return (piece) => {
    let start = 0;
    while (start < cut.count && piece.text.charAt(start) === cut.character) start++;
    return { ...piece, text: piece.text.slice(start) };
  };
}
