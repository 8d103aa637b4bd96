import type { DescMessage, DescMethod, Message, MessageInitShape } from "@bufbuild/protobuf";
import {
  Metadata,
  type sendUnaryData,
  type ServerDuplexStream,
  type ServerReadableStream,
  type ServerUnaryCall,
  type ServerWritableStream,
} from "@grpc/grpc-js";
import { callStreamOf } from "./call-stream.js";
import { decode, encode, methodPath } from "./codec.js";
import { CallContext, type HandlerContext } from "./context.js";
import { messageOf, RpcError } from "./error.js";
import type { DescribeFault } from "./fault.js";
import type { OpenStreams } from "./open-streams.js";
import { toStatus } from "./status.js";
import type { Strangers } from "./strangers.js";
import { PacedWriter, type UnreadCall, type UnreadResponses } from "./unread.js";

/** A method with what answers it. */
export interface Route {
  readonly method: DescMethod;
  readonly handler: AnyHandler;
  readonly onDefect: OnDefect;
  readonly describe: DescribeFault;
  readonly unread: UnreadResponses;
  readonly open: OpenStreams;
  readonly admit: Admit;
  readonly strangers: Strangers;
}

/** Lets a call pass, or throws an RpcError. Undefined where the caller passes and has proved nothing. */
export type Admit = (context: HandlerContext) => Admission | undefined;

/** A call that was let pass; disposed of when it has ended. */
export type Admission = Disposable;

/** A handler of any kind of method; `serve` has checked its types. */
export type AnyHandler = (request: any, context: HandlerContext) => any;

/** Hears of an error that no handler should have let out. */
export type OnDefect = (error: unknown, method: string) => void;

/** Answers a call with one response. Resolves when the handler has ended, whatever became of the call. */
export async function answerOnce(
  route: Route,
  call: ServerUnaryCall<Buffer, Buffer> | ServerReadableStream<Buffer, Buffer>,
  respond: sendUnaryData<Buffer>,
): Promise<void> {
  const context = new CallContext(call, methodPath(route.method));
  let admission: Admission | undefined;
  try {
    admission = admit(route, call, context);
    const response = await route.handler(takeRequest(route, call, context), context);
    const bytes = encode(route.method.output, response);
    context.settle();
    const unread = openUnread(route, call);
    respond(null, bytes);
    unread.written(bytes.byteLength);
  } catch (error) {
    const told = toRpcError(error, context, route);
    context.settle();
    respond(toStatus(told));
  } finally {
    admission?.[Symbol.dispose]();
    route.open.ended(callStreamOf(call.metadata).http2);
  }
}

/** Answers a call with a stream of responses. Resolves when the handler has ended, whatever became of the call. */
export async function answerStream(
  route: Route,
  call: ServerWritableStream<Buffer, Buffer> | ServerDuplexStream<Buffer, Buffer>,
): Promise<void> {
  const writer = new PacedWriter(call, openUnread(route, call));
  const context = new CallContext(call, methodPath(route.method), () => writer.stop());
  call.once("cancelled", () => writer.stop());
  let admission: Admission | undefined;
  try {
    admission = admit(route, call, context);
    const request = takeRequest(route, call, context);
    // Else nothing leaves before the first response, and a quiet stream looks like a dead one.
    call.sendMetadata(new Metadata());
    const responses: AsyncIterable<Init> = route.handler(request, context);
    for await (const response of responses) {
      if (!(await writer.write(encode(route.method.output, response)))) break;
    }
    if (context.ended !== undefined) throw context.ended;
    context.settle();
    call.end();
  } catch (error) {
    const told = toRpcError(error, context, route);
    context.settle();
    // How grpc-js is told the status of a stream.
    call.emit("error", toStatus(told));
  } finally {
    admission?.[Symbol.dispose]();
    route.open.ended(callStreamOf(call.metadata).http2);
  }
}

function admit(
  route: Route,
  { metadata }: { readonly metadata: Metadata },
  context: CallContext,
): Admission | undefined {
  const admission = route.admit(context);
  if (admission !== undefined) route.strangers.prove(callStreamOf(metadata).http2?.session);
  return admission;
}

/** Closed at the end of the call, which "cancelled" tells of every call. */
function openUnread(
  { unread }: Route,
  call: { readonly metadata: Metadata; once(event: "cancelled", listener: () => void): unknown },
): UnreadCall {
  const opened = unread.open(callStreamOf(call.metadata).http2);
  call.once("cancelled", () => opened.close());
  return opened;
}

type Init = MessageInitShape<DescMessage>;

function takeRequest(
  route: Route,
  call: { request: Buffer } | ServerReadableStream<Buffer, Buffer>,
  context: CallContext,
): Message | AsyncIterable<Message> {
  return "request" in call
    ? decodeRequest(route, call.request)
    : readRequests(route, call, context);
}

async function* readRequests(
  route: Route,
  call: ServerReadableStream<Buffer, Buffer>,
  context: CallContext,
): AsyncGenerator<Message, void> {
  try {
    // With its default the iterator destroys the stream when the requests end, and the responses with it.
    for await (const bytes of call.iterator({ destroyOnReturn: false })) {
      yield decodeRequest(route, bytes);
    }
  } catch (error) {
    throw context.cancelled ?? error;
  }
}

function decodeRequest({ method, describe }: Route, bytes: Buffer): Message {
  try {
    return decode(method.input, bytes);
  } catch (cause) {
    const message = `The request is no ${method.input.typeName}: ${messageOf(cause)}`;
    throw describe("unreadable request", message, cause);
  }
}

/**
 * What the caller may hear of an error. An error that is no RpcError is a defect, except one that only repeats an
 * abort.
 */
function toRpcError(error: unknown, context: CallContext, { onDefect, describe }: Route): RpcError {
  if (context.ended !== undefined) return context.ended;
  if (error instanceof RpcError) return error;
  const isAbort = error instanceof Error && error.name === "AbortError";
  if (context.cancelled === undefined || !isAbort) onDefect(error, context.method);
  return describe("defect", "Internal error.");
}
