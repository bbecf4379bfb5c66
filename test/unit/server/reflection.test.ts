// The descriptors that the package ships: they are those of the proto files, and every name leads to its file.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { repositoryRoot } from '#test/shared';
import { readDescriptors, shippedDescriptors } from '../../../src/server/reflection.ts';

it('the shipped descriptors are those of the proto files', () => {
  const buf = join(repositoryRoot, 'node_modules/.bin/buf');
  const built = execFileSync(buf, ['build', 'proto', '--exclude-source-info', '--as-file-descriptor-set', '-o', '-#format=binpb'], {
    cwd: repositoryRoot,
    maxBuffer: 2 ** 24,
  });
  const shipped = readFileSync(join(repositoryRoot, 'src/server/gen/descriptors.binpb'));
  expect(shipped.equals(built), 'run `npm run generate`').toBe(true);
});

it.each([
  ['athanor.v1.JobService', 'athanor/v1/job.proto'],
  ['athanor.v1.JobService.Watch', 'athanor/v1/job.proto'],
  ['athanor.v1.GenerateRequest', 'athanor/v1/inference.proto'],
  ['athanor.v1.GenerateRequest.prompt', 'athanor/v1/inference.proto'],
  ['athanor.v1.FINISH_REASON_END', 'athanor/v1/inference.proto'],
  ['inference.ModelInferRequest.InferInputTensor', 'inference/grpc_service.proto'],
  ['inference.ModelInferRequest.ParametersEntry', 'inference/grpc_service.proto'],
  ['inference.TYPE_BF16', 'inference/model_config.proto'],
  ['grpc.health.v1.HealthCheckResponse.SERVING', 'grpc/health/v1/health.proto'],
])('%s is in %s', (symbol, file) => {
  expect(shippedDescriptors().symbols.get(symbol)?.name).toBe(file);
});

it('every import of a shipped file is shipped', () => {
  const { files } = shippedDescriptors();
  for (const { imports } of files.values()) for (const name of imports) expect(files.has(name), name).toBe(true);
});

it('bytes that are no descriptors are refused', () => {
  expect(() => readDescriptors(Buffer.from([0x0a, 0x05, 0x01]))).toThrow(RangeError);
});
