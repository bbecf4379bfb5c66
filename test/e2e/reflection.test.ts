// Server reflection: what grpcurl sees, and the answers one by one in both versions.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it, type TestContext } from 'vitest';
import { grpcurlPath } from '#test/go-tools';
import { scriptedModels } from '#test/scripted-models';
import { temporaryFolderForSuite } from '#test/temporary';
import { startTrivialServer, type TrivialServer } from '#test/trivial-server';
import { openTwoWayCall } from '#test/two-way-call';

const folder = temporaryFolderForSuite();
let server: TrivialServer;

beforeAll(async () => {
  const { models, inference } = scriptedModels({ story: { task: 'causal', pieces: ['Once ', 'upon'] } });
  server = await startTrivialServer({ handlers: [], folder, models, inference });
});

afterAll(() => server.close());

const services = [
  'athanor.v1.CompressionService',
  'athanor.v1.DistillationService',
  'athanor.v1.EvaluationService',
  'athanor.v1.InferenceService',
  'athanor.v1.JobService',
  'athanor.v1.ModelService',
  'grpc.health.v1.Health',
  'grpc.reflection.v1.ServerReflection',
  'grpc.reflection.v1alpha.ServerReflection',
  'inference.GRPCInferenceService',
];

describe.each(['reflection', 'reflectionAlpha'] as const)('%s', (version) => {
  it('answers every question in order, errors too', async () => {
    const call = openTwoWayCall(server.target, server.client.protocol[version].ServerReflectionInfo);
    call.send({ host: 'h', listServices: '' });
    call.send({ fileContainingSymbol: 'inference.GRPCInferenceService.ModelInfer' });
    call.send({ fileByFilename: 'athanor/v1/nothing.proto' });
    call.send({ fileContainingExtension: { containingType: 'x', extensionNumber: 1 } });
    call.send({ allExtensionNumbersOfType: 'athanor.v1.Usage' });
    call.send({});
    call.halfClose();
    const [list, symbol, ...others] = await call.rest();
    expect(list).toMatchObject({ validHost: 'h', originalRequest: { listServices: '' } });
    expect(list?.listServicesResponse?.service.map(({ name }) => name)).toEqual(services);
    // The file and the one that it imports.
    expect(symbol?.fileDescriptorResponse?.fileDescriptorProto).toHaveLength(2);
    expect(others).toMatchObject([
      { errorResponse: { errorCode: 5 } },
      { errorResponse: { errorCode: 5 } },
      { allExtensionNumbersResponse: { baseTypeName: 'athanor.v1.Usage', extensionNumber: [] } },
      { errorResponse: { errorCode: 3 } },
    ]);
  });
});

describe('grpcurl', () => {
  let path: string | { readonly missing: string };

  beforeAll(async () => {
    path = await grpcurlPath();
  });

  async function grpcurl(context: TestContext, ...args: string[]): Promise<string> {
    if (typeof path !== 'string') return context.skip(path.missing);
    const { stdout } = await promisify(execFile)(path, ['-plaintext', ...args], { timeout: 60_000 });
    return stdout;
  }

  const call = (context: TestContext, request: object, method: string): Promise<string> =>
    grpcurl(context, '-d', JSON.stringify(request), server.target, method);

  it('lists services and methods', async (context) => {
    expect((await grpcurl(context, server.target, 'list')).trim().split('\n')).toEqual(services);
    expect(await grpcurl(context, server.target, 'list', 'athanor.v1.ModelService')).toContain('athanor.v1.ModelService.ImportUpload\n');
  });

  it.for(services)('describes %s', async (service, context) => {
    expect(await grpcurl(context, server.target, 'describe', service)).toContain(`${service} is a service:`);
  });

  it('describes messages with maps, imports and oneofs', async (context) => {
    expect(await grpcurl(context, server.target, 'describe', 'inference.ModelInferRequest')).toMatch(
      /map<string, \.inference\.InferParameter> parameters = 4;/,
    );
    expect(await grpcurl(context, server.target, 'describe', 'athanor.v1.JobSpec')).toMatch(/oneof spec {[^}]*import_model/);
  });

  it('calls our services, unary and as a stream', async (context) => {
    expect(JSON.parse(await call(context, {}, 'athanor.v1.ModelService/List'))).toMatchObject({ models: [{ name: 'story' }] });
    const pieces = await call(context, { model: 'story', text: 'x' }, 'athanor.v1.InferenceService/Generate');
    expect(pieces).toMatch(/"text": "Once "[\s\S]*"text": "upon"[\s\S]*"finishReason": "FINISH_REASON_END"/);
  });

  it('calls the Open Inference Protocol, unary and in both directions', async (context) => {
    const request = {
      model_name: 'story',
      inputs: [{ name: 'text_input', datatype: 'BYTES', shape: [1], contents: { bytes_contents: [Buffer.from('x').toString('base64')] } }],
      outputs: [{ name: 'text_output' }],
    };
    const answer = JSON.parse(await call(context, request, 'inference.GRPCInferenceService/ModelInfer')) as {
      rawOutputContents: string[];
    };
    expect(
      Buffer.from(answer.rawOutputContents[0] ?? '', 'base64')
        .subarray(4)
        .toString(),
    ).toBe('Once upon');
    const stream = await call(context, request, 'inference.GRPCInferenceService/ModelStreamInfer');
    expect(stream.match(/"triton_final_response"/g)).toHaveLength(3);
  });

  it('calls health, once and as a watcher', async (context) => {
    expect(JSON.parse(await call(context, {}, 'grpc.health.v1.Health/Check'))).toEqual({ status: 'SERVING' });
    const watch = grpcurl(context, '-max-time', '1', '-d', '{}', server.target, 'grpc.health.v1.Health/Watch');
    await expect(watch).rejects.toMatchObject({ stdout: expect.stringContaining('"status": "SERVING"') });
  });
});
