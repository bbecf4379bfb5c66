// http: the endpoints that clients of OpenAI's API speak to.
export { credentialsOf, HttpServer, type HttpServerOptions, type HttpStopOptions } from './http-server.ts';
export type { ListedModel, ModelList } from './services.ts';
