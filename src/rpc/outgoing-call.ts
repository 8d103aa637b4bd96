import type { DescMessage, DescMethod, Message, MessageInitShape } from "@bufbuild/protobuf";
import {
  Metadata,
  type CallOptions as GrpcCallOptions,
  type Client,
  type ClientDuplexStream,
  type ClientReadableStream,
  type ClientWritableStream,
  type requestCallback,
} from "@grpc/grpc-js";
import { systemClock } from "../clock.js";
import type { Cancellable, Channel, RunningCall } from "./channel.js";
import { asIs, decode, encode, methodPath } from "./codec.js";
import { Code, messageOf, RpcError } from "./error.js";
import { maxTimeoutMs } from "./limits.js";
import { PacedWriter } from "./unread.js";

export interface CallOptions {
  /** Ends the call with CANCELLED when it aborts. */
  readonly signal?: AbortSignal | undefined;
  /** Ends the call with DEADLINE_EXCEEDED after this many milliseconds, on both sides. Default: none; at most 24 days. */
  readonly timeoutMs?: number | undefined;
  /** Text that goes with the call, in printable ASCII. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Waits for a connection where there is none, instead of failing with UNAVAILABLE. Default: false. */
  readonly waitForReady?: boolean | undefined;
}

/** What a client makes of what a server answers, before anybody sees it. Default: it is taken as it comes. */
export interface AnswerCheck {
  /** Changes the response where it is not to be shown as it is. */
  readonly response: (schema: DescMessage, response: Message) => void;
  /** The error to throw for one whose words may be the server's. */
  readonly error: (error: RpcError) => RpcError;
}

/** A call as its client makes it. */
interface CheckedCall extends CallOptions {
  readonly check?: AnswerCheck | undefined;
}

type Init = MessageInitShape<DescMessage>;

export async function callUnary(
  channel: Channel,
  method: DescMethod,
  request: Init,
  options: CheckedCall,
): Promise<Message> {
  const bytes = encodeRequest(method, request);
  const { path, metadata, limits } = open(method, options);
  const response = await oneResponse(channel, options, (client, end) =>
    client.makeUnaryRequest(path, asIs, asIs, bytes, metadata, limits, end),
  );
  return decodeResponse(method, response, options);
}

export async function callClientStream(
  channel: Channel,
  method: DescMethod,
  requests: AsyncIterable<Init>,
  options: CheckedCall,
): Promise<Message> {
  const { path, metadata, limits } = open(method, options);
  const response = await oneResponse(
    channel,
    options,
    (client, end) => client.makeClientStreamRequest(path, asIs, asIs, metadata, limits, end),
    (running) => sendRequests(method, requests, running),
  );
  return decodeResponse(method, response, options);
}

export async function* callServerStream(
  channel: Channel,
  method: DescMethod,
  request: Init,
  options: CheckedCall,
): AsyncGenerator<Message, void> {
  const bytes = encodeRequest(method, request);
  const { path, metadata, limits } = open(method, options);
  const running = channel.start(options.signal, (client) =>
    client.makeServerStreamRequest(path, asIs, asIs, bytes, metadata, limits),
  );
  yield* readResponses(method, running, options);
}

export async function* callBidiStream(
  channel: Channel,
  method: DescMethod,
  requests: AsyncIterable<Init>,
  options: CheckedCall,
): AsyncGenerator<Message, void> {
  const { path, metadata, limits } = open(method, options);
  const running = channel.start(options.signal, (client) =>
    client.makeBidiStreamRequest(path, asIs, asIs, metadata, limits),
  );
  void sendRequests(method, requests, running);
  yield* readResponses(method, running, options);
}

/** What grpc-js wants to know of a call. */
function open(
  method: DescMethod,
  { headers = {}, waitForReady = false, timeoutMs }: CallOptions,
): { path: string; metadata: Metadata; limits: GrpcCallOptions } {
  const metadata = new Metadata({ waitForReady });
  for (const [name, value] of Object.entries(headers)) {
    try {
      metadata.set(name, value);
    } catch {
      // The cause is left out: it quotes the value, which may be a secret.
      throw new RpcError(Code.InvalidArgument, `The header ${name} is not printable ASCII.`);
    }
  }
  const limits =
    timeoutMs === undefined
      ? {}
      : { deadline: systemClock.now() + Math.min(timeoutMs, maxTimeoutMs) };
  return { path: methodPath(method), metadata, limits };
}

function oneResponse<Call extends Cancellable>(
  channel: Channel,
  { signal, check }: CheckedCall,
  begin: (client: Client, end: requestCallback<Buffer>) => Call,
  onBegun?: (running: RunningCall<Call>) => Promise<void>,
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const running = channel.start(signal, (client) =>
      begin(client, (error, response) => {
        running.release();
        if (response !== undefined) resolve(response);
        else reject(checked(running.explain(error), check));
      }),
    );
    void onBegun?.(running);
  });
}

async function* readResponses(
  method: DescMethod,
  running: RunningCall<ClientReadableStream<Buffer> | ClientDuplexStream<Buffer, Buffer>>,
  options: CheckedCall,
): AsyncGenerator<Message, void> {
  const { call } = running;
  try {
    for await (const bytes of call) {
      running.throwIfInterrupted();
      yield decodeResponse(method, bytes, options);
    }
  } catch (error) {
    throw checked(running.explain(error), options.check);
  } finally {
    // Leaving the loop ends the stream here, but not the call.
    call.cancel();
    running.release();
  }
}

/** Never rejects: what the iterable throws becomes the error of the call. */
async function sendRequests(
  method: DescMethod,
  requests: AsyncIterable<Init>,
  running: RunningCall<ClientWritableStream<Buffer> | ClientDuplexStream<Buffer, Buffer>>,
): Promise<void> {
  const { call } = running;
  const writer = new PacedWriter(call);
  call.once("status", () => writer.stop());
  try {
    for await (const request of requests) {
      if (!(await writer.write(encodeRequest(method, request)))) return;
    }
    call.end();
  } catch (error) {
    running.interrupt(error);
  }
}

function encodeRequest(method: DescMethod, request: Init): Buffer {
  try {
    return encode(method.input, request);
  } catch (cause) {
    const message = `The request is no ${method.input.typeName}: ${messageOf(cause)}`;
    throw new RpcError(Code.InvalidArgument, message, { cause });
  }
}

function decodeResponse(method: DescMethod, bytes: Buffer, { check }: CheckedCall): Message {
  try {
    const response = decode(method.output, bytes);
    check?.response(method.output, response);
    return response;
  } catch (cause) {
    const message = `The response is no ${method.output.typeName}: ${messageOf(cause)}`;
    throw checked(new RpcError(Code.Internal, message, { cause }), check);
  }
}

function checked(error: unknown, check: AnswerCheck | undefined): unknown {
  return error instanceof RpcError && check !== undefined ? check.error(error) : error;
}
