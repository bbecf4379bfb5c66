// The Open Inference Protocol over a real connection, with models that need no engine.
import { afterEach, describe, expect, it } from 'vitest';
import { type ScriptedModels, scriptedModels } from '#test/scripted-models';
import { temporaryFolder } from '#test/temporary';
import { startTrivialServer, type TrivialServer } from '#test/trivial-server';
import { openTwoWayCall, type TwoWayCall } from '#test/two-way-call';

const running: TrivialServer[] = [];

afterEach(async () => {
  for (const server of running.splice(0)) await server.close();
});

/** A gate that a test opens one piece at a time. */
class Turnstile {
  #waiting: (() => void)[] = [];
  #passes = 0;
  readonly pass = (): Promise<void> =>
    new Promise((resolve) => {
      if (this.#passes > 0) {
        this.#passes--;
        resolve();
      } else this.#waiting.push(resolve);
    });
  open(times = 1): void {
    for (let count = 0; count < times; count++) {
      const next = this.#waiting.shift();
      if (next === undefined) this.#passes++;
      else next();
    }
  }
}

async function start(turnstile?: Turnstile): Promise<TrivialServer & { readonly scripted: ScriptedModels }> {
  const scripted = scriptedModels({
    story: { task: 'causal', pieces: ['Once ', '', 'upon'] },
    gated: { task: 'causal', pieces: ['a', 'b'], ...(turnstile === undefined ? {} : { gate: turnstile.pass }) },
    judge: { task: 'classify', labels: ['good', 'bad'] },
    vectors: { task: 'embed' },
    slow: { task: 'classify', labels: ['late'], ...(turnstile === undefined ? {} : { gate: turnstile.pass }) },
  });
  const { models, inference } = scripted;
  const server = await startTrivialServer({ handlers: [], folder: temporaryFolder(), models, inference, identityModel: 'identity' });
  running.push(server);
  return { ...server, scripted };
}

/** BYTES: a length and the bytes of each text. */
function bytes(...texts: readonly string[]): Buffer {
  return Buffer.concat(
    texts.flatMap((text) => {
      const length = Buffer.alloc(4);
      length.writeUInt32LE(Buffer.byteLength(text));
      return [length, Buffer.from(text)];
    }),
  );
}

function texts(packed: Uint8Array | undefined): string[] {
  const all = Buffer.from(packed ?? []);
  const found: string[] = [];
  for (let offset = 0; offset < all.length; ) {
    const end = offset + 4 + all.readUInt32LE(offset);
    found.push(all.toString('utf8', offset + 4, end));
    offset = end;
  }
  return found;
}

const ask = (modelName: string, input: string, ...sent: string[]) => ({
  modelName,
  inputs: [{ name: input, datatype: 'BYTES', shape: [sent.length] }],
  rawInputContents: [bytes(...sent)],
});

describe('server and models', () => {
  it('say that they live, what they are and what they take', async () => {
    const { client } = await start();
    const { openInference: rpc } = client.protocol;
    expect(await client.unary(rpc.ServerLive, {})).toEqual({ live: true });
    expect(await client.unary(rpc.ServerReady, {})).toEqual({ ready: true });
    expect((await client.unary(rpc.ServerMetadata, {})).extensions).toContain('statistics');
    expect(await client.unary(rpc.ModelReady, { name: 'judge' })).toEqual({ ready: false });
    const metadata = await client.unary(rpc.ModelMetadata, { name: 'judge', version: '1' });
    expect(metadata).toMatchObject({
      name: 'judge',
      versions: ['1'],
      inputs: [{ name: 'text', datatype: 'BYTES', shape: [-1, 1] }, { name: 'text_pair' }],
      outputs: [{ name: 'label' }, { name: 'probabilities', datatype: 'FP32', shape: [-1, 2] }, { name: 'logits' }],
    });
    expect(await client.unary(rpc.ModelReady, { name: 'judge' })).toEqual({ ready: true });
    const { config } = await client.unary(rpc.ModelConfig, { name: 'story' });
    expect(config).toMatchObject({
      maxBatchSize: 64,
      input: [{ name: 'text_input', dataType: 'TYPE_STRING', dims: [1], optional: false }, { optional: true }, { optional: true }],
      modelTransactionPolicy: { decoupled: true },
      schedulingChoice: 'dynamicBatching',
      dynamicBatching: { priorityLevels: 3, defaultPriorityLevel: 2 },
    });
  });

  it('are loaded, unloaded and indexed; one that was unloaded is not ready until it is loaded again', async () => {
    const { client } = await start();
    const { openInference: rpc } = client.protocol;
    const stateOf = async (name: string) =>
      (await client.unary(rpc.RepositoryIndex, {})).models.find((model) => model.name === name) ?? { state: '', reason: '' };
    expect(await stateOf('story')).toMatchObject({ version: '1', state: 'UNAVAILABLE', reason: 'not loaded yet' });
    await client.unary(rpc.RepositoryModelLoad, { modelName: 'story' });
    expect(await stateOf('story')).toMatchObject({ state: 'READY', reason: '' });
    const ready = await client.unary(rpc.RepositoryIndex, { ready: true });
    expect(ready.models.map(({ name }) => name)).toEqual(['story', 'identity']);
    await client.unary(rpc.RepositoryModelUnload, { modelName: 'story', parameters: { unload_dependents: { boolParam: false } } });
    expect(await stateOf('story')).toMatchObject({ state: 'UNAVAILABLE', reason: 'unloaded' });
    await expect(client.unary(rpc.ModelInfer, ask('story', 'text_input', 'x'))).rejects.toMatchObject({
      code: 'model_not_ready',
      message: expect.stringContaining('is not at ready state'),
    });
    // KServe's dialect names the model in the first field.
    await client.unary(rpc.RepositoryModelLoad, { repositoryName: 'story' });
    expect(await stateOf('story')).toMatchObject({ state: 'READY' });
    await expect(client.unary(rpc.RepositoryModelLoad, { modelName: 'nobody' })).rejects.toMatchObject({ code: 'model_not_found' });
    await expect(
      client.unary(rpc.RepositoryModelLoad, { modelName: 'story', parameters: { what: { boolParam: true } } }),
    ).rejects.toMatchObject({ code: 'invalid_argument' });
    await expect(client.unary(rpc.RepositoryModelLoad, { modelName: 'story', repositoryName: 'r' })).rejects.toMatchObject({
      code: 'unsupported',
    });
  });

  it('show their settings, and refuse to change them and to share memory', async () => {
    const { client } = await start();
    const { openInference: rpc } = client.protocol;
    expect((await client.unary(rpc.TraceSetting, {})).settings['trace_level']).toEqual({ value: ['OFF'] });
    expect((await client.unary(rpc.LogSettings, {})).settings['log_info']).toMatchObject({ boolParam: true });
    await expect(client.unary(rpc.LogSettings, { settings: { log_info: { boolParam: false } } })).rejects.toMatchObject({
      code: 'unsupported',
    });
    await expect(client.unary(rpc.CudaSharedMemoryStatus, {})).rejects.toMatchObject({ code: 'unsupported' });
  });
});

describe('ModelInfer', () => {
  it('answers texts with texts, raw or typed, in the form they came in, and echoes the id', async () => {
    const { client, scripted } = await start();
    const { openInference: rpc } = client.protocol;
    const parameters = { max_tokens: { int64Param: 3 }, temperature: { doubleParam: 0.5 }, stop: { stringParam: '["x","y"]' } };
    const raw = await client.unary(rpc.ModelInfer, { ...ask('story', 'text_input', 'a', 'b'), id: '7', parameters });
    expect(raw).toMatchObject({
      id: '7',
      modelName: 'story',
      modelVersion: '1',
      outputs: [{ name: 'text_output', shape: [2] }, {}, {}, {}],
    });
    expect(raw.rawOutputContents.map((each) => each.length)).toEqual([26, 14, 8, 8]);
    expect(texts(raw.rawOutputContents[0])).toEqual(['Once upon', 'Once upon']);
    expect(texts(raw.rawOutputContents[1])).toEqual(['end', 'end']);
    expect(scripted.requests[1]).toEqual({ prompt: 'b', maxNewTokens: 3, sampling: { temperature: 0.5 }, stop: ['x', 'y'] });
    const typed = await client.unary(rpc.ModelInfer, {
      modelName: 'story',
      inputs: [{ name: 'text_input', datatype: 'BYTES', shape: [1, 1], contents: { bytesContents: [Buffer.from('c')] } }],
      outputs: [{ name: 'text_output' }],
    });
    expect(typed.outputs).toMatchObject([{ name: 'text_output', shape: [1, 1], contents: null }]);
    expect(texts(typed.rawOutputContents[0])).toEqual(['Once upon']);
  });

  it('takes the tensors that clients of vLLM’s backend send', async () => {
    const { client, scripted } = await start();
    await client.unary(client.protocol.openInference.ModelInfer, {
      modelName: 'story',
      inputs: [
        { name: 'text_input', datatype: 'BYTES', shape: [1] },
        { name: 'stream', datatype: 'BOOL', shape: [1] },
        { name: 'sampling_parameters', datatype: 'BYTES', shape: [1] },
      ],
      rawInputContents: [bytes('a'), Buffer.from([0]), bytes('{"max_tokens":4,"stop":["z"],"top_k":2}')],
      parameters: { top_k: { int64Param: 9 } },
    });
    expect(scripted.requests).toEqual([{ prompt: 'a', maxNewTokens: 4, stop: ['z'], sampling: { topK: 9 } }]);
  });

  it('classifies and embeds in batches', async () => {
    const { client } = await start();
    const { openInference: rpc } = client.protocol;
    const judged = await client.unary(rpc.ModelInfer, ask('judge', 'text', 'a', 'b', 'c'));
    expect(judged.outputs.map(({ name, shape }) => [name, shape])).toEqual([
      ['label', [3]],
      ['probabilities', [3, 2]],
      ['logits', [3, 2]],
    ]);
    expect(texts(judged.rawOutputContents[0])).toEqual(['good', 'good', 'good']);
    const embedded = await client.unary(rpc.ModelInfer, ask('vectors', 'text', 'abc', 'x'));
    expect(embedded.outputs).toMatchObject([{ name: 'embedding', datatype: 'FP32', shape: [2, 3] }]);
    const values = Buffer.from(embedded.rawOutputContents[0] ?? []);
    expect([0, 4, 12].map((offset) => values.readFloatLE(offset))).toEqual([3, 3, 1]);
  });

  it('gives back what an identity model is sent', async () => {
    const { client } = await start();
    const sent = Buffer.from([0, 0, 128, 63, 0, 0, 192, 127]);
    const answer = await client.unary(client.protocol.openInference.ModelInfer, {
      modelName: 'identity',
      inputs: [{ name: 'INPUT0', datatype: 'FP32', shape: [2] }],
      rawInputContents: [sent],
    });
    expect(answer).toMatchObject({ outputs: [{ name: 'OUTPUT0', shape: [2] }] });
    expect(answer.rawOutputContents).toEqual([sent]);
  });

  const good = ask('story', 'text_input', 'x');
  const parameter = (name: string, value: object) => ({ ...good, parameters: { [name]: value } });
  it.each([
    ['an unknown model', { ...good, modelName: 'nobody' }, 'model_not_found', /unknown model: 'nobody' is not found/],
    ['a name that no model can have', { ...good, modelName: '../x' }, 'model_not_found', /is not found/],
    ['an unknown version', { ...good, modelVersion: '7' }, 'model_not_found', /version 7 is not found/],
    ['a version that is no number', { ...good, modelVersion: '-1' }, 'invalid_argument', /model_version/],
    ['no input', { ...good, inputs: [], rawInputContents: [] }, 'invalid_argument', /expected 1 to 3 inputs.*'text_input' is missing/],
    ['an unknown input', ask('story', 'text', 'x'), 'invalid_argument', /has no such input, but text_input/],
    [
      'an input twice',
      { ...good, inputs: [good.inputs[0]!, good.inputs[0]!], rawInputContents: [bytes('x'), bytes('x')] },
      'invalid_argument',
      /twice/,
    ],
    ['another datatype', { ...good, inputs: [{ ...good.inputs[0]!, datatype: 'FP32' }] }, 'invalid_argument', /expected datatype BYTES/],
    ['a datatype that there is not', { ...good, inputs: [{ ...good.inputs[0]!, datatype: 'toString' }] }, 'invalid_argument', /datatype/],
    [
      'another shape',
      { ...good, inputs: [{ ...good.inputs[0]!, shape: [1, 2] }] },
      'invalid_argument',
      /unexpected shape for input 'text_input' for model 'story'. Expected \[-1,1\], got \[1,2\]/,
    ],
    ['a negative shape', { ...good, inputs: [{ ...good.inputs[0]!, shape: [-1] }] }, 'invalid_argument', /no count/],
    [
      'an empty batch',
      { ...good, inputs: [{ ...good.inputs[0]!, shape: [0] }], rawInputContents: [Buffer.alloc(0)] },
      'invalid_argument',
      /empty batch/,
    ],
    [
      'a batch that is too big',
      ask('story', 'text_input', ...Array.from({ length: 65 }, () => 'x')),
      'invalid_argument',
      /batch-size must be <= 64/,
    ],
    [
      'bytes that do not fit the shape',
      { ...good, rawInputContents: [Buffer.from([9, 0, 0, 0, 1])] },
      'invalid_argument',
      /longer than what was sent/,
    ],
    ['text that is not UTF-8', { ...good, rawInputContents: [Buffer.from([1, 0, 0, 0, 255])] }, 'bad_encoding', /UTF-8/],
    ['no data', { ...good, rawInputContents: [] }, 'invalid_argument', /no data/],
    ['too many raw entries', { ...good, rawInputContents: [bytes('x'), bytes('x')] }, 'invalid_argument', /2 entries for 1 inputs/],
    [
      'raw and typed contents at once',
      { ...good, inputs: [{ ...good.inputs[0]!, contents: { bytesContents: [Buffer.from('x')] } }] },
      'invalid_argument',
      /although raw_input_contents is used/,
    ],
    ['an unknown output', { ...good, outputs: [{ name: 'nothing' }] }, 'invalid_argument', /no such output/],
    [
      'shared memory',
      { ...good, inputs: [{ ...good.inputs[0]!, parameters: { shared_memory_region: { stringParam: 'r' } } }] },
      'unsupported',
      /shared memory/,
    ],
    [
      'top-k classification',
      { ...good, outputs: [{ name: 'text_output', parameters: { classification: { int64Param: 2 } } }] },
      'unsupported',
      /classification/,
    ],
    ['an unknown parameter', parameter('tempratur', { doubleParam: 1 }), 'invalid_argument', /"tempratur": must be one of max_tokens/],
    ['an unknown parameter of Triton', parameter('triton_magic', { boolParam: true }), 'invalid_argument', /reserved/],
    ['a parameter of the wrong type', parameter('temperature', { stringParam: 'hot' }), 'invalid_argument', /a finite number, got "hot"/],
    ['a temperature that is NaN', parameter('temperature', { doubleParam: Number.NaN }), 'invalid_argument', /a finite number, got NaN/],
    ['a token count that is NaN', parameter('max_tokens', { doubleParam: Number.NaN }), 'invalid_argument', /a whole number/],
    ['a priority below 0', parameter('priority', { int64Param: -1 }), 'invalid_argument', /a whole number/],
    ['a parameter without a value', parameter('seed', {}), 'invalid_argument', /got nothing/],
  ] as const)('refuses %s', async (_, request, code, message) => {
    const { client } = await start();
    const refused = client.unary(client.protocol.openInference.ModelInfer, request as never);
    await expect(refused).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
    await expect(refused).rejects.toSatisfy((error: Error) => error.message.length < 300);
  });

  it('takes the parameters of the protocol with every model', async () => {
    const { client, scripted } = await start();
    const parameters = {
      sequence_id: { stringParam: 's' },
      sequence_start: { boolParam: true },
      priority: { uint64Param: 1 },
      timeout: { int64Param: 5_000_000 },
    };
    const answer = await client.unary(client.protocol.openInference.ModelInfer, { ...ask('judge', 'text', 'x'), parameters });
    expect(answer.outputs).toHaveLength(3);
    await client.unary(client.protocol.openInference.ModelInfer, { ...ask('story', 'text_input', 'x'), parameters });
    expect(scripted.requests).toEqual([{ prompt: 'x', priority: -1, queueTimeoutMs: 5000 }]);
  });
});

describe('ModelStatistics', () => {
  it('count requests, rows and runs, with times that add up', async () => {
    const { client } = await start();
    const { openInference: rpc } = client.protocol;
    await client.unary(rpc.ModelInfer, ask('judge', 'text', 'a', 'b', 'c'));
    await client.unary(rpc.ModelInfer, ask('judge', 'text', 'a'));
    await expect(client.unary(rpc.ModelInfer, ask('judge', 'wrong', 'a'))).rejects.toMatchObject({ code: 'invalid_argument' });
    const { modelStats } = await client.unary(rpc.ModelStatistics, { name: 'judge' });
    expect(modelStats).toMatchObject([
      {
        name: 'judge',
        version: '1',
        inferenceCount: 4,
        executionCount: 2,
        inferenceStats: { success: { count: 2 }, fail: { count: 1 }, computeInfer: { count: 2 }, cacheHit: { count: 0 } },
        batchStats: [
          { batchSize: 1, computeInfer: { count: 1 } },
          { batchSize: 3, computeInfer: { count: 1 } },
        ],
      },
    ]);
    const times = modelStats[0]?.inferenceStats;
    const parts = [times?.computeInput, times?.computeInfer, times?.computeOutput].map((part) => part?.ns ?? 0);
    expect(parts.every((ns) => ns > 0)).toBe(true);
    expect(parts.reduce((sum, ns) => sum + ns, 0)).toBeLessThanOrEqual(times?.success?.ns ?? 0);
    expect(modelStats[0]?.lastInference).toBeGreaterThan(1.6e12);
    expect((await client.unary(rpc.ModelStatistics, {})).modelStats.map(({ name }) => name)).toEqual(['judge']);
    await expect(client.unary(rpc.ModelStatistics, { name: 'nobody' })).rejects.toMatchObject({ code: 'model_not_found' });
  });
});

describe('ModelStreamInfer', () => {
  type Call = TwoWayCall<ReturnType<typeof ask> & { id?: string; parameters?: object }, StreamAnswer>;
  interface StreamAnswer {
    readonly errorMessage: string;
    readonly inferResponse: {
      readonly id: string;
      readonly outputs: readonly unknown[];
      readonly rawOutputContents: readonly Uint8Array[];
      readonly parameters: Readonly<Record<string, { readonly boolParam?: boolean }>>;
    } | null;
  }
  const open = (server: TrivialServer, metadata?: Record<string, string>): Call =>
    openTwoWayCall(server.target, server.client.protocol.openInference.ModelStreamInfer, metadata) as Call;
  const summary = ({ inferResponse }: StreamAnswer) => [
    inferResponse?.id,
    texts(inferResponse?.rawOutputContents[0])[0],
    inferResponse?.parameters['triton_final_response']?.boolParam,
  ];

  it('sends a text piece by piece, and marks the last piece', async () => {
    const call = open(await start());
    call.send({ ...ask('story', 'text_input', 'x'), id: 'one' });
    call.halfClose();
    expect((await call.rest()).map(summary)).toEqual([
      ['one', 'Once ', false],
      ['one', 'upon', false],
      ['one', '', true],
    ]);
  });

  it('ends with an answer without outputs where the request wants that', async () => {
    const call = open(await start());
    call.send({ ...ask('story', 'text_input', 'x'), parameters: { triton_enable_empty_final_response: { boolParam: true } } });
    call.halfClose();
    const last = (await call.rest()).at(-1)?.inferResponse;
    expect(last).toMatchObject({ outputs: [], rawOutputContents: [], parameters: { triton_final_response: { boolParam: true } } });
  });

  it('answers many requests side by side, and keeps the order of those with one answer', async () => {
    const turnstile = new Turnstile();
    const call = open(await start(turnstile));
    call.send({ ...ask('gated', 'text_input', 'x'), id: 'slow' });
    for (const id of ['1', '2', '3']) call.send({ ...ask(id === '2' ? 'vectors' : 'judge', 'text', 'x'), id });
    expect([await call.next(), await call.next(), await call.next()].map((answer) => answer?.inferResponse?.id)).toEqual(['1', '2', '3']);
    turnstile.open(2);
    call.halfClose();
    expect((await call.rest()).map((answer) => answer.inferResponse?.id)).toEqual(['slow', 'slow', 'slow']);
  });

  it('holds back what was ready before the answer to an earlier request, errors too', async () => {
    const turnstile = new Turnstile();
    const server = await start(turnstile);
    const call = open(server);
    for (const [model, id] of [
      ['slow', '1'],
      ['vectors', '2'],
      ['nobody', '3'],
    ] as const)
      call.send({ ...ask(model, 'text', 'x'), id });
    // By then the others could have been answered.
    const { openInference: rpc } = server.client.protocol;
    const ready = async () => (await server.client.unary(rpc.ModelStatistics, { name: 'slow' })).modelStats.length;
    for (let turn = 0; turn < 5; turn++) await ready();
    turnstile.open();
    call.halfClose();
    expect((await call.rest()).map((answer) => answer.inferResponse?.id)).toEqual(['1', '2', '3']);
  });

  it('sends a failed request as a message and goes on', async () => {
    const call = open(await start());
    call.send({ ...ask('nobody', 'text', 'x'), id: 'bad' });
    call.send({ ...ask('judge', 'text', 'x'), id: 'good' });
    call.halfClose();
    const answers = await call.rest();
    expect(answers).toMatchObject([
      { errorMessage: expect.stringContaining("unknown model: 'nobody'"), inferResponse: { id: 'bad' } },
      { errorMessage: '', inferResponse: { id: 'good' } },
    ]);
  });

  it('ends with the status of the first error where the client wants that', async () => {
    const call = open(await start(), { triton_grpc_error: 'true' });
    call.send({ ...ask('nobody', 'text', 'x') });
    await expect(call.rest()).rejects.toMatchObject({ code: 5, details: expect.stringContaining('is not found') });
  });

  it('stops its generations when the client leaves', async () => {
    const turnstile = new Turnstile();
    const server = await start(turnstile);
    const call = open(server);
    call.send(ask('gated', 'text_input', 'x'));
    turnstile.open();
    await call.next();
    expect(server.scripted.open.count).toBe(1);
    call.cancel();
    await expect.poll(() => server.server.openCalls).toBe(0);
    turnstile.open(3);
    await expect.poll(() => server.scripted.open.count).toBe(0);
    const { modelStats } = await server.client.unary(server.client.protocol.openInference.ModelStatistics, { name: 'gated' });
    expect(modelStats).toMatchObject([
      { inferenceStats: { success: { count: 0 }, fail: { count: 1 } }, responseStats: { 1: { cancel: { count: 1 } } } },
    ]);
  });

  it('counts its answers by their place', async () => {
    const server = await start();
    const call = open(server);
    for (const id of ['a', 'b']) call.send({ ...ask('story', 'text_input', 'x'), id });
    call.halfClose();
    await call.rest();
    const { modelStats } = await server.client.unary(server.client.protocol.openInference.ModelStatistics, { name: 'story' });
    const two = { success: { count: 2 } };
    expect(modelStats).toMatchObject([
      { inferenceCount: 2, executionCount: 2, inferenceStats: two, responseStats: { 0: two, 1: two, 2: two } },
    ]);
  });
});
