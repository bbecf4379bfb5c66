// The least that grpc-js can do: ModelInfer that answers what it was sent, in a process of its own. Prints its port.
import { Server, ServerCredentials, type ServiceDefinition, type UntypedServiceImplementation } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';

const loaded = loadSync('inference/grpc_service.proto', {
  longs: Number,
  enums: String,
  defaults: true,
  oneofs: true,
  includeDirs: ['proto'],
});

interface Request {
  readonly modelName: string;
  readonly id: string;
  readonly inputs: readonly { readonly datatype: string; readonly shape: readonly number[] }[];
  readonly rawInputContents: readonly Buffer[];
}

const handlers: UntypedServiceImplementation = {
  ModelInfer: (call: { request: Request }, callback: (error: null, response: object) => void) => {
    const { modelName, id, inputs, rawInputContents } = call.request;
    const outputs = inputs.map(({ datatype, shape }) => ({ name: 'OUTPUT0', datatype, shape }));
    callback(null, { modelName, modelVersion: '1', id, outputs, rawOutputContents: rawInputContents });
  },
};

const server = new Server();
server.addService(loaded['inference.GRPCInferenceService'] as ServiceDefinition, handlers);
server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) => {
  if (error !== null) throw error;
  console.log(`:${port}`);
});
