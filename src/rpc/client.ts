import type {
  DescMessage,
  DescMethod,
  DescMethodBiDiStreaming,
  DescMethodClientStreaming,
  DescMethodServerStreaming,
  DescMethodUnary,
  DescService,
  MessageInitShape,
  MessageShape,
} from "@bufbuild/protobuf";
import { Channel } from "./channel.js";
import {
  callBidiStream,
  callClientStream,
  callServerStream,
  callUnary,
  type AnswerCheck,
  type CallOptions,
} from "./outgoing-call.js";
import type { TlsClient } from "./tls-client.js";

export type { Channel } from "./channel.js";
export type { AnswerCheck, CallOptions } from "./outgoing-call.js";
export type { TlsClient } from "./tls-client.js";

/**
 * Nothing is connected before the first call.
 *
 * @param address `unix:/path` or `host:port`.
 * @param tls without which nothing is encrypted, so that anything else than a socket needs it.
 */
export function openChannel(address: string, tls?: TlsClient): Channel {
  return new Channel(address, tls);
}

/**
 * The methods of a service as functions. Every failure is an RpcError; a connection that is lost, or cut
 * off by the server, is UNAVAILABLE.
 *
 * A stream of responses starts when the first one is asked for, and leaving the loop ends the call. While
 * the loop waits, only the signal ends it.
 */
export type Client<Service extends DescService> = {
  readonly [Name in keyof Service["method"]]: ClientMethod<Service["method"][Name]>;
};

type ClientMethod<Method> =
  Method extends DescMethodUnary<infer I, infer O>
    ? (request: MessageInitShape<I>, options?: CallOptions) => Promise<MessageShape<O>>
    : Method extends DescMethodServerStreaming<infer I, infer O>
      ? (request: MessageInitShape<I>, options?: CallOptions) => AsyncIterable<MessageShape<O>>
      : Method extends DescMethodClientStreaming<infer I, infer O>
        ? (
            requests: AsyncIterable<MessageInitShape<I>>,
            options?: CallOptions,
          ) => Promise<MessageShape<O>>
        : Method extends DescMethodBiDiStreaming<infer I, infer O>
          ? (
              requests: AsyncIterable<MessageInitShape<I>>,
              options?: CallOptions,
            ) => AsyncIterable<MessageShape<O>>
          : never;

/**
 * @param defaults.headers go with every call; asked for at each, so that they may change.
 * @param defaults.check sees each response and each error first.
 */
export function createClient<Service extends DescService>(
  service: Service,
  channel: Channel,
  defaults: {
    headers?: (() => Readonly<Record<string, string>>) | undefined;
    check?: AnswerCheck;
  } = {},
): Client<Service> {
  const methods = service.methods.map((method) => {
    const call = callers[method.methodKind];
    const run = (request: never, options: CallOptions = {}) =>
      call(channel, method, request, {
        ...options,
        headers: { ...defaults.headers?.(), ...options.headers },
        check: defaults.check,
      });
    return [method.localName, run] as const;
  });
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the descriptor says at run time what the type says
  return Object.fromEntries(methods) as Client<Service>;
}

type Caller = (
  channel: Channel,
  method: DescMethod,
  request: MessageInitShape<DescMessage> & AsyncIterable<MessageInitShape<DescMessage>>,
  options: CallOptions & { readonly check: AnswerCheck | undefined },
) => unknown;

const callers: Record<DescMethod["methodKind"], Caller> = {
  unary: callUnary,
  client_streaming: callClientStream,
  server_streaming: callServerStream,
  bidi_streaming: callBidiStream,
};
