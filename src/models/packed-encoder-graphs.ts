// Encoders over texts of unequal lengths without padding: all tokens stand in one row, and only attention sees them text by text.
import { at } from '#base';
import { type Graph, GraphBuilder, type Value } from '#graph';
import { multiplyDims } from '#tensor';
import { encoderTask, hasTokenTypes, sentenceEmbeddings } from './encoder-graphs.ts';
import { graphNames } from './graph-names.ts';
import type { ModelDeclaration } from './model.ts';
import { GraphNetwork } from './network.ts';
import { promptIds } from './prompt.ts';

/**
 * What the task of an encoder asks for, of N tokens of B texts, the longest of which has T.
 *
 * Inputs: tokens and positions int64 [1, N] (and tokenTypes int64 [1, N]); mask bool [B, T], true where a text has a token; packedRows int64 [B, T],
 * the place among the N of each text's tokens, any of them where there is none; paddedRows int64 [N], the place in [B*T] of each token; for a masked
 * model logitRows int64 [M], the places among the N that are filled in.
 * Outputs: logits [M, V] of a masked model, logits [B, C] of a classifier, or embedding [B, D].
 *
 * The ids of a trained prompt are the first tokens of every text; `logitRows` are places behind them.
 *
 * The products with weights, nearly all of the work, run over real tokens alone.
 * @throws AppError `unsupported` for a model that generates
 */
export function buildPackedEncoderGraph(model: ModelDeclaration): Graph {
  const task = encoderTask(model);
  const b = new GraphBuilder();
  const [B, T, N] = ['B', 'T', 'N'];
  const promptRows = promptIds(model.config).length;
  const perToken = (name: string): Value => b.input(name, 'int64', [1, N]);
  const tokens = perToken(graphNames.tokens);
  const mask = b.input(graphNames.mask, 'bool', [B, T]);
  const packedRows = b.input(graphNames.packedRows, 'int64', [B, T]);
  const net = new GraphNetwork(b, model, {
    positions: perToken(graphNames.positions),
    attention: { kind: 'packed', keyMask: mask, packedRows, paddedRows: b.input(graphNames.paddedRows, 'int64', [N]) },
    tokenTypes: hasTokenTypes(model) ? perToken(graphNames.tokenTypes) : undefined,
  });
  const hidden = net.hidden(tokens); // [N, D]
  if (task.kind === 'masked')
    return b.graph({ [graphNames.logits]: net.logits(b.gather(hidden, b.input(graphNames.logitRows, 'int64', ['M']))) });
  if (task.kind === 'classify') {
    const first = b.gather(hidden, b.reshape(b.slice(packedRows, 1, promptRows, promptRows + 1), [B])); // [B, D]
    return b.graph({ [graphNames.logits]: net.classLogits(first) });
  }
  const ofText = (x: Value): Value => (promptRows === 0 ? x : b.slice(x, 1, promptRows, T));
  const rows = ofText(packedRows); // [B, T-P]
  const padded = b.reshape(b.gather(hidden, rows), [multiplyDims(B, at(rows.shape, 1)), at(hidden.shape, 1)]); // [B*(T-P), D]
  const ofTexts = { tokens: rows, mask: b.less(0.5, ofText(b.cast(mask, 'float32'))) };
  return b.graph({ [graphNames.embedding]: sentenceEmbeddings(b, padded, promptRows === 0 ? { tokens: rows, mask } : ofTexts, task) });
}
