// GET /v1/models and /v1/models/NAME.
import type { Exchange } from './exchange.ts';
import type { ListedModel, Services } from './services.ts';

export async function listModels(exchange: Exchange, { models }: Services): Promise<void> {
  exchange.sendJson({ object: 'list', data: (await models.list()).map((model) => modelObject(model, model.name)) });
}

export async function getModel(exchange: Exchange, { models }: Services, reference: string): Promise<void> {
  exchange.sendJson(modelObject(await models.get(reference), reference));
}

function modelObject({ createdMs }: ListedModel, id: string): object {
  return { id, object: 'model', created: Math.floor(createdMs / 1000), owned_by: 'athanor' };
}
