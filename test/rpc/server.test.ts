import { existsSync } from "node:fs";
import { getEventListeners, once, type EventEmitter } from "node:events";
import { connect as connectSocket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { Metadata } from "@grpc/grpc-js";
import { expect, onTestFinished, test } from "vitest";
import { Code, RpcError } from "../../src/rpc/error.js";
import { maxErrorMessageBytes, maxMessageBytes } from "../../src/rpc/limits.js";
import { createServer } from "../../src/rpc/server.js";
import { aborted } from "./aborted.js";
import { collect } from "./collect.js";
import { deferred } from "./deferred.js";
import { openEcho, quiet, startEcho, texts } from "./echo-server.js";
import { failure } from "./failure.js";
import {
  asIs,
  chatPath,
  echoPath,
  joinPath,
  openRawClient,
  rawEcho,
  repeatPath,
} from "./raw-client.js";
import { frame } from "./frame.js";
import { openRawSession, openRawStream } from "./raw-session.js";
import { steady } from "./steady.js";
import { eventually } from "../support/test-broker.js";

test("an error that is no RpcError reaches the caller bare, and is reported once", async () => {
  const { client, defects } = await startEcho({
    echo: async () => {
      throw new TypeError("a secret");
    },
    async *repeat() {
      yield { text: "first" };
      throw new TypeError("another");
    },
  });
  const unary = await failure(client.echo({}));
  expect(unary).toMatchObject({ code: Code.Internal, message: "Internal error." });
  const streamed = await failure(collect(client.repeat({})));
  expect(streamed).toMatchObject({ code: Code.Internal, message: "Internal error." });
  expect(defects).toEqual([
    { error: new TypeError("a secret"), method: echoPath },
    { error: new TypeError("another"), method: repeatPath },
  ]);
});

test("a response that cannot be encoded is a defect", async () => {
  const { client, defects } = await startEcho({ echo: async () => ({ text: "\ud83d" }) });
  expect((await failure(client.echo({}))).code).toBe(Code.Internal);
  expect(String(defects[0]?.error)).toContain("EchoResponse.text");
});

test("the echo of an abort is no defect; another error after it is one", async () => {
  const { client, defects } = await startEcho({
    echo: async (_request, { signal }) => {
      await delay(60_000, undefined, { signal });
      return {};
    },
    async *repeat(_request, { signal }) {
      yield {};
      await aborted(signal);
      throw new TypeError("in the end");
    },
  });
  await failure(client.echo({}, { timeoutMs: 50 }));
  for await (const _ of client.repeat({})) break;
  await eventually(() => expect(defects).toHaveLength(1));
  expect(defects[0]?.error).toEqual(new TypeError("in the end"));
});

test("tells INVALID_ARGUMENT for bytes that are no request", async () => {
  const { address, defects } = await startEcho();
  const raw = openRawClient(address);
  const garbage = Buffer.from([0x0a, 0xff]);
  expect(await rawEcho(raw, garbage)).toMatchObject({
    code: Code.InvalidArgument,
    details: expect.stringContaining("peerline.test.echo.v1.EchoRequest"),
  });
  const stream = raw.makeServerStreamRequest(repeatPath, asIs, asIs, garbage).resume();
  expect(await rejection(stream)).toMatchObject({ code: Code.InvalidArgument });
  const chat = raw.makeBidiStreamRequest(chatPath, asIs, asIs).resume();
  chat.write(garbage);
  expect(await rejection(chat)).toMatchObject({ code: Code.InvalidArgument });
  expect(defects).toEqual([]);
});

test("an empty message is a request like any other", async () => {
  const { address } = await startEcho();
  expect(await rawEcho(openRawClient(address), Buffer.alloc(0))).toHaveLength(0);
});

test("sends an error message that no header could hold as it is", async () => {
  const { client } = await startEcho({
    echo: async ({ text }) => {
      throw new RpcError(Code.NotFound, text === "" ? "cut \ud83d here" : text);
    },
  });
  expect((await failure(client.echo({}))).message).toBe("cut \uFFFD here");
  const long = await failure(client.echo({ text: "ä".repeat(100_000) }));
  expect(long.code).toBe(Code.NotFound);
  expect(long.message).toHaveLength(maxErrorMessageBytes / 2 + 1);
});

test("a stream's headers arrive before its first response", async () => {
  const { address } = await startEcho({
    async *repeat(_request, { signal }) {
      await aborted(signal);
      yield {};
    },
  });
  const raw = openRawClient(address);
  const call = raw.makeServerStreamRequest(repeatPath, asIs, asIs, Buffer.alloc(0)).resume();
  call.on("error", () => {});
  const [headers] = await once(call, "metadata");
  expect(headers).toBeInstanceOf(Metadata);
  call.cancel();
});

test("responses go on when the requests have ended", async () => {
  const { client } = await startEcho({
    async *chat(requests) {
      const received = await collect(requests);
      for (const { text } of received) {
        await delay(1);
        yield { text };
      }
    },
  });
  const answers = await collect(client.chat(texts("a", "b", "c")));
  expect(answers.map(({ text }) => text)).toEqual(["a", "b", "c"]);
});

test("responses go on when the handler has read enough", async () => {
  const { client } = await startEcho({
    async *chat(requests) {
      for await (const { text } of requests) {
        yield { text };
        break;
      }
      yield { text: "that is all" };
    },
  });
  const answers = await collect(client.chat(texts("a", "b", "c")));
  expect(answers.map(({ text }) => text)).toEqual(["a", "that is all"]);
});

test("a lost connection is no end of the requests", async () => {
  const first = deferred();
  const heard = deferred<unknown>();
  const { address, defects } = await startEcho({
    join: async (requests) => {
      try {
        for await (const _ of requests) first.resolve();
        heard.resolve("all requests are here");
        return {};
      } catch (error) {
        heard.resolve(error);
        throw error;
      }
    },
  });
  const session = openRawSession(address);
  openRawStream(session, joinPath).write(frame(Buffer.alloc(0)));
  await first.promise;
  session.destroy();
  expect(await heard.promise).toMatchObject({ name: "RpcError", code: Code.Cancelled });
  expect(defects).toEqual([]);
});

test("the signal of a call that went well does not abort", async () => {
  const signals: AbortSignal[] = [];
  const { client, server } = await startEcho({
    echo: async (_request, { signal }) => {
      signals.push(signal);
      return {};
    },
    async *repeat(_request, { signal }) {
      signals.push(signal);
      yield {};
    },
  });
  await client.echo({});
  await collect(client.repeat({}));
  await server.stop(60_000);
  expect(signals.map((signal) => signal.aborted)).toEqual([false, false]);
});

test("a signal that is asked for after the call ended has aborted", async () => {
  const started = deferred();
  const late = deferred<AbortSignal>();
  const { client } = await startEcho({
    echo: async (_request, context) => {
      started.resolve();
      await cancelled.promise;
      late.resolve(context.signal);
      return {};
    },
  });
  const cancelled = deferred();
  const controller = new AbortController();
  const call = failure(client.echo({}, { signal: controller.signal }));
  await started.promise;
  controller.abort();
  await call;
  await client.join(texts("the server has seen the cancellation"));
  cancelled.resolve();
  expect((await late.promise).aborted).toBe(true);
});

test("a generator's finally runs when the caller's connection is lost", async () => {
  const ended = deferred();
  const { address } = await startEcho({ repeat: quiet(ended.resolve) });
  const session = openRawSession(address);
  const stream = openRawStream(session, repeatPath);
  stream.end(frame(Buffer.alloc(0)));
  await once(stream, "data");
  session.destroy();
  await expect(ended.promise).resolves.toBeUndefined();
});

test("writes no faster than the reader reads, and stops when the reader leaves", async () => {
  const ended = deferred();
  let written = 0;
  const { client } = await startEcho({
    async *repeat() {
      try {
        // Bounded, so that a bridge which does not pace fails this test and not the machine.
        while (written < 10_000) {
          written++;
          yield { text: "x".repeat(10_000) };
        }
      } finally {
        ended.resolve();
      }
    },
  });
  for await (const _ of client.repeat({})) {
    expect(await steady(() => written)).toBeLessThan(1_000);
    break;
  }
  await ended.promise;
});

test("listens to a call once, however long its stream", async () => {
  const warnings: Error[] = [];
  const onWarning = (warning: Error) => warnings.push(warning);
  process.on("warning", onWarning);
  onTestFinished(() => void process.off("warning", onWarning));
  let listeners = 0;
  const { client } = await startEcho({
    async *repeat(_request, { signal }) {
      for (let index = 0; index < 500; index++) {
        yield { text: "x".repeat(10_000), index };
        listeners = Math.max(listeners, getEventListeners(signal, "abort").length);
      }
    },
  });
  let last = -1;
  for await (const { index } of client.repeat({})) {
    last = index;
    if (index % 100 === 0) await delay(20);
  }
  expect(last).toBe(499);
  expect(listeners).toBe(0);
  expect(warnings).toEqual([]);
});

test("does not start the handler of a call that failed before its request was complete", async () => {
  let started = 0;
  const { address, client } = await startEcho({
    async *repeat(_request, { signal }) {
      started++;
      yield {};
      await aborted(signal);
    },
  });
  const stream = openRawStream(openRawSession(address), repeatPath);
  stream.write(frame(Buffer.alloc(0)));
  // Each on its own: what comes along with a frame that is too large is not even looked at.
  await delay(50);
  stream.write(frame(Buffer.alloc(0), maxMessageBytes + 1));
  const [headers] = await once(stream, "response");
  expect(Number(headers["grpc-status"])).toBe(Code.InvalidArgument);
  stream.end();
  await delay(50);
  await client.echo({});
  expect(started).toBe(0);
});

test("stopping lets running calls end, and takes no new ones", async () => {
  const started = deferred();
  const finish = deferred();
  const { address, client, server } = await startEcho({
    echo: async () => {
      started.resolve();
      await finish.promise;
      return { text: "done" };
    },
  });
  const running = client.echo({});
  await started.promise;
  const stopped = server.stop(60_000);
  expect((await failure(openEcho(address).client.echo({}))).code).toBe(Code.Unavailable);
  expect((await failure(client.echo({}))).code).toBe(Code.Unavailable);
  finish.resolve();
  expect((await running).text).toBe("done");
  await stopped;
  expect(existsSync(address.slice("unix:".length))).toBe(false);
});

test("stopping cuts off what does not end in time, and waits for its handlers", async () => {
  const started = deferred<AbortSignal>();
  let ended = false;
  const { client, server, defects } = await startEcho({
    async *repeat(_request, { signal }) {
      started.resolve(signal);
      try {
        yield {};
        await aborted(signal);
      } finally {
        await delay(20);
        ended = true;
      }
    },
  });
  const loop = failure(collect(client.repeat({})));
  const signal = await started.promise;
  const stopped = server.stop(50);
  expect(server.stop(60_000)).toBe(stopped);
  await delay(20);
  expect(signal.aborted).toBe(false);
  await stopped;
  expect(ended).toBe(true);
  expect(signal.reason).toMatchObject({ code: Code.Cancelled });
  expect((await loop).code).toBe(Code.Unavailable);
  expect(defects).toEqual([]);
});

test("stopping does not wait for ever for a handler that ignores its signal", async () => {
  const started = deferred();
  const { client, server } = await startEcho({
    echo: () => {
      started.resolve();
      return new Promise(() => {});
    },
  });
  const call = failure(client.echo({}));
  await started.promise;
  await server.stop(0);
  expect((await call).code).toBe(Code.Unavailable);
});

test("stopping waits for no client that neither reads nor closes, such as a suspended one", async () => {
  const { address, server } = await startEcho();
  const socket = connectSocket({ path: address.slice("unix:".length), allowHalfOpen: true });
  onTestFinished(() => void socket.destroy());
  socket.on("error", () => {});
  const settings = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]);
  socket.write(Buffer.concat([Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), settings]));
  await once(socket, "data");
  socket.pause();
  expect(await server.stop(50)).toBeUndefined();
  expect(existsSync(address.slice("unix:".length))).toBe(false);
});

test("says that an address is in use", async () => {
  const { address } = await startEcho();
  const server = createServer({ services: [], onDefect: () => {} });
  expect(await failure(server.listen(address))).toMatchObject({
    code: Code.Unavailable,
    message: expect.stringContaining(address),
  });
  // It holds nothing that would have to be waited for.
  await server.stop(60_000);
});

/** What a stream of grpc-js fails with. */
async function rejection(stream: EventEmitter): Promise<unknown> {
  const [error] = await once(stream, "error");
  return error;
}
