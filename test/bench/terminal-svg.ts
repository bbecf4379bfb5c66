// Draws the text of a terminal as an SVG, for the README: tmux capture-pane -p | tsx test/bench/terminal-svg.ts > results/demo.svg
import { readFileSync } from 'node:fs';

const fontSize = 13;
const lineHeight = 17;
const characterWidth = 7.8;
const margin = 16;

const lines = readFileSync(0, 'utf8').trimEnd().split('\n');
while (lines[0]?.trim() === '') lines.shift();
const columns = Math.max(...lines.map((line) => line.length));
const width = Math.ceil(columns * characterWidth + 2 * margin);
const height = lines.length * lineHeight + 2 * margin;
const escaped = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

/** Headings of the demo stand out; bars are drawn in the colour of progress. */
function colourOf(line: string): string {
  if (/^\d+\. |^\$ /.test(line)) return '#ffffff';
  if (/\[[=-]+\]/.test(line)) return '#7ee787';
  return '#c9d1d9';
}

const rows = lines.map(
  (line, index) =>
    `<text x="${margin}" y="${margin + (index + 0.8) * lineHeight}" fill="${colourOf(line)}" xml:space="preserve">${escaped(line)}</text>`,
);
console.log(`<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">
<title>The demo of athanor in a terminal</title>
<rect width="100%" height="100%" rx="8" fill="#0d1117"/>
<g font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, monospace" font-size="${fontSize}">
${rows.join('\n')}
</g>
</svg>`);
