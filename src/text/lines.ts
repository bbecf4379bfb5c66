// Lines of a text that comes in chunks, in bounded memory.

export interface Line {
  readonly text: string;
  /** `\n`, `\r\n`, or nothing where the file or the allowed length ended. */
  readonly lineBreak: string;
  /** False for the rest of a line that was cut for its length. */
  readonly startsLine: boolean;
}

/** A line longer than `maxCharacters` comes in parts. */
export async function* readLines(chunks: AsyncIterable<string>, maxCharacters: number): AsyncGenerator<Line> {
  // Parts of the line that is not complete yet; joined once, so that a very long line costs no repeated copies.
  let parts: string[] = [];
  let length = 0;
  let startsLine = true;
  for await (const chunk of chunks) {
    let start = 0;
    for (let end = chunk.indexOf('\n'); end >= 0; end = chunk.indexOf('\n', start)) {
      const text = parts.join('') + chunk.slice(start, end);
      const hasReturn = text.endsWith('\r');
      yield { text: hasReturn ? text.slice(0, -1) : text, lineBreak: hasReturn ? '\r\n' : '\n', startsLine };
      parts = [];
      length = 0;
      startsLine = true;
      start = end + 1;
    }
    parts.push(chunk.slice(start));
    length += chunk.length - start;
    if (length <= maxCharacters) continue;
    yield { text: parts.join(''), lineBreak: '', startsLine };
    startsLine = false;
    parts = [];
    length = 0;
  }
  if (length > 0) yield { text: parts.join(''), lineBreak: '', startsLine };
}
