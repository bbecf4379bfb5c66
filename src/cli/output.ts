// What commands print: results on standard output, as text or JSON; everything else on standard error.
import { AppError } from '#base';

/** Prints results of one command. */
export class Output {
  readonly json: boolean;

  constructor(json: boolean) {
    this.json = json;
  }

  /** `value` as JSON where that was asked for, else the text. */
  result(value: unknown, text: () => string): void {
    process.stdout.write(`${this.json ? toJson(value) : text()}\n`);
  }

  /** A piece of text that is not a line of its own. */
  piece(text: string): void {
    process.stdout.write(text);
  }

  note(text: string): void {
    process.stderr.write(`${text}\n`);
  }

  error(thrown: unknown): void {
    const { code, message, details } = AppError.from(thrown);
    process.stderr.write(`${this.json ? JSON.stringify({ error: { code, message, details } }) : `athanor: ${message}`}\n`);
  }
}

/** Messages without the fields that only say which member of a oneof is set. */
function toJson(value: unknown): string {
  return JSON.stringify(value, (key, member: unknown) => (key.startsWith('_') ? undefined : member), 2);
}

/** Left-aligned first column, right-aligned others; the first row is the head. */
export function table(rows: readonly (readonly string[])[]): string {
  const columns = Math.max(0, ...rows.map((row) => row.length));
  const widths = Array.from({ length: columns }, (_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]): string =>
    widths
      .map((width, column) => (column === 0 ? (row[column] ?? '').padEnd(width) : (row[column] ?? '').padStart(width)))
      .join('  ')
      .trimEnd();
  const [head, ...body] = rows.map(line);
  return [head ?? '', widths.map((width) => '-'.repeat(width)).join('  '), ...body].join('\n');
}

const byteUnits = ['B', 'KiB', 'MiB', 'GiB', 'TiB'] as const;

export function bytesText(bytes: number): string {
  const power = Math.min(byteUnits.length - 1, bytes < 1 ? 0 : Math.floor(Math.log2(bytes) / 10));
  return `${(bytes / 1024 ** power).toFixed(power === 0 ? 0 : 1)} ${byteUnits[power] ?? 'B'}`;
}

export function countText(count: number): string {
  return String(count).replace(/\B(?=(\d{3})+$)/g, ',');
}

export function timeText(ms: number): string {
  return ms === 0 ? '-' : new Date(ms).toISOString().slice(0, 19).replace('T', ' ');
}
