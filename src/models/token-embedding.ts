// How tokens become vectors, for every architecture: a table, or a narrow table under a small transformer layer (SAFE).
import { at } from '#base';
import type { Value } from '#graph';
import { multiplyDims } from '#tensor';
import { activations } from './activations.ts';
import type { Network } from './architecture.ts';
import type { ModelConfig } from './config.ts';
import type { ParameterSpec } from './model.ts';

/** What a tied head over a narrow table multiplies by first, [D, e]. */
export const tableHeadPath = 'embed.safe.head.weight';

/** The parameters of the token embedding; those of a tied head are among them. */
export function tokenEmbedding({ vocabularySize: V, width: D, tiedHead, embedding }: ModelConfig): ParameterSpec[] {
  if (embedding === undefined) return [{ path: 'embed.token.weight', role: 'embedding', shape: [V, D] }];
  const e = embedding.width;
  const linear = (name: string, rows: number, columns: number): ParameterSpec[] => [
    { path: `embed.safe.${name}.weight`, role: 'linear', shape: [rows, columns] },
    { path: `embed.safe.${name}.bias`, role: 'vector', shape: [columns] },
  ];
  return [
    { path: 'embed.token.weight', role: 'embedding', shape: [V, e] },
    { path: 'embed.safe.norm.weight', role: 'vector', shape: [e] },
    ...linear('attn.qkv', e, 3 * e),
    ...linear('attn.out', e, e),
    ...linear('mlp.fc', e, e),
    ...linear('mlp.proj', e, D),
    ...(tiedHead ? [{ path: tableHeadPath, role: 'linear', shape: [D, e] } as const] : []),
  ];
}

/** int64 [B, T] -> [B, T, D] */
export function embedTokens(config: ModelConfig, net: Network, tokens: Value): Value {
  const embedded = net.embed('embed.token', tokens);
  if (config.embedding === undefined) return embedded;
  const { b } = net;
  const { width: e, heads } = config.embedding;
  const [B, T] = [at(tokens.shape, 0), at(tokens.shape, 1)];
  const rows = b.reshape(embedded, [multiplyDims(B, T), e]);
  const attended = net.at('attn', () => {
    const normed = b.rmsNorm(rows, net.vector('embed.safe.norm.weight'), config.normEpsilon)[0];
    const qkv = net.linear('embed.safe.attn.qkv', normed); // [N, 3e]
    const part = (index: number): Value => b.reshape(b.slice(qkv, 1, index * e, (index + 1) * e), [B, T, heads, e / heads]);
    return net.linear('embed.safe.attn.out', net.attend(config.layers, part(0), part(1), part(2)));
  });
  const middle = b.add(rows, attended);
  // No residual around this part: its sides differ.
  const inner = net.at('mlp', () => activations[config.activation](b, net.linear('embed.safe.mlp.fc', middle))); // [N, e]
  return b.reshape(net.linear('embed.safe.mlp.proj', inner), [B, T, config.width]);
}

/** hidden [..., D] -> logits [..., V] by the table of the embedding. */
export function tiedLogits({ embedding }: ModelConfig, net: Network, hidden: Value): Value {
  return net.embedTransposed('embed.token', embedding === undefined ? hidden : net.linear('embed.safe.head', hidden));
}
