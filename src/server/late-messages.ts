// Keeps grpc-js from writing to a call that it is ending.
import type { ServerInterceptingCallInterface, ServerInterceptor } from '@grpc/grpc-js';

/**
 * Drops messages that a handler sends after the call's status.
 *
 * grpc-js ends a call by itself when a request does not parse, is too large, or comes past its deadline, and the handler hears of it only once the
 * trailers are out. A message written before that makes an error of the HTTP/2 stream, which then never sends its trailers: the client waits for ever.
 */
export const dropLateMessages = ((_method, call) => {
  const send = call.sendMessage.bind(call);
  call.sendMessage = (message, sent) => {
    // Not in the types: true from the moment on at which the call ends.
    if (Reflect.get(call, 'wantTrailers') !== true) send(message, sent);
  };
  return call;
  // The types ask for a class where any call does.
}) as (...given: Parameters<ServerInterceptor>) => ServerInterceptingCallInterface as ServerInterceptor;
