import { getEventListeners } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { create } from "@bufbuild/protobuf";
import { expect, onTestFinished, test, vi } from "vitest";
import { ErrorInfoSchema, RetryInfoSchema } from "../../gen/google/rpc/error_details_pb.js";
import { createClient } from "../../src/rpc/client.js";
import { Code, RpcError } from "../../src/rpc/error.js";
import { maxMessageBytes } from "../../src/rpc/limits.js";
import { aborted } from "./aborted.js";
import { collect } from "./collect.js";
import { deferred } from "./deferred.js";
import { openEcho, quiet, startEcho, stuck, temporaryAddress, texts } from "./echo-server.js";
import { failure } from "./failure.js";
import { freePort } from "./free-port.js";
import { EchoRequestSchema, EchoService } from "./gen/echo_pb.js";
import { openRawClient, rawEcho } from "./raw-client.js";
import { steady } from "./steady.js";
import { eventually } from "../support/test-broker.js";

test("carries all four kinds of calls", async () => {
  const { client } = await startEcho();
  expect((await client.echo({ text: "hello" })).text).toBe("hello");
  expect((await client.echo(create(EchoRequestSchema, { text: "made" }))).text).toBe("made");
  const repeated = await collect(client.repeat({ text: "a", count: 3 }));
  expect(repeated.map(({ text, index }) => `${text}${index}`)).toEqual(["a0", "a1", "a2"]);
  expect((await client.join(texts("a", "b"))).text).toBe("a b");
  expect((await collect(client.chat(texts("a", "b")))).map(({ text }) => text)).toEqual(["a", "b"]);
});

test("answers a conversation while it goes on", async () => {
  const { client } = await startEcho();
  const next = deferred();
  async function* requests() {
    yield { text: "ping" };
    await next.promise;
    yield { text: "pong" };
  }
  const heard: string[] = [];
  for await (const { text } of client.chat(requests())) {
    heard.push(text);
    next.resolve();
  }
  expect(heard).toEqual(["ping", "pong"]);
});

test("gives the handler's error with its code, message and details", async () => {
  const info = create(ErrorInfoSchema, { reason: "NAME_TAKEN", domain: "test" });
  const fail = () => {
    throw new RpcError(Code.AlreadyExists, "Der Name „ä%20#“ ist\nvergeben.", {
      details: [{ schema: ErrorInfoSchema, message: info }],
      cause: new Error("a secret"),
    });
  };
  const { client } = await startEcho({
    echo: async () => fail(),
    async *repeat() {
      yield { text: "first" };
      fail();
    },
  });

  const unary = await failure(client.echo({}));
  expect(unary).toMatchObject({
    code: Code.AlreadyExists,
    message: "Der Name „ä%20#“ ist\nvergeben.",
  });
  expect(unary.findDetail(ErrorInfoSchema)).toEqual(info);
  expect(unary.findDetail(RetryInfoSchema)).toBeUndefined();
  expect(JSON.stringify(unary)).not.toContain("a secret");

  const responses = client.repeat({})[Symbol.asyncIterator]();
  expect((await responses.next()).value.text).toBe("first");
  const streamed = await failure(responses.next());
  expect(streamed.code).toBe(Code.AlreadyExists);
  expect(streamed.findDetail(ErrorInfoSchema)?.reason).toBe("NAME_TAKEN");
});

test("sends the client's headers with every call, and the call's own before them", async () => {
  const { channel } = await startEcho({
    echo: async (_request, context) => ({
      text: `${context.header("X-One")} ${context.header("x-two")} ${context.header("x-three")}`,
    }),
  });
  let count = 0;
  const client = createClient(EchoService, channel, {
    headers: () => ({ "x-one": `${++count}`, "x-two": "default" }),
  });
  expect((await client.echo({})).text).toBe("1 default undefined");
  expect((await client.echo({}, { headers: { "x-two": "own" } })).text).toBe("2 own undefined");
});

test("refuses a header that metadata cannot carry, and does not repeat it", async () => {
  const { client } = await startEcho();
  const error = await failure(client.echo({}, { headers: { authorization: "Bearer gehéim" } }));
  expect(error.code).toBe(Code.InvalidArgument);
  expect(error.message).toContain("authorization");
  expect(`${error.stack} ${String(error.cause)}`).not.toContain("gehéim");
});

test("fails with UNAVAILABLE where nothing listens, or waits for it when asked to", async () => {
  const address = await temporaryAddress();
  const { client } = openEcho(address);
  expect((await failure(client.echo({}))).code).toBe(Code.Unavailable);
  const waiting = client.echo({ text: "late" }, { waitForReady: true });
  await startEcho({}, { address });
  expect((await waiting).text).toBe("late");
});

test("connects again when the server is back", async () => {
  const { address, client, server } = await startEcho();
  await client.echo({});
  await server.stop(0);
  expect((await failure(client.echo({}))).code).toBe(Code.Unavailable);
  await startEcho({ echo: async () => ({ text: "back" }) }, { address });
  expect((await client.echo({}, { waitForReady: true })).text).toBe("back");
});

test("ends a call on both sides when its deadline passes", async () => {
  const started: AbortSignal[] = [];
  const { client, defects } = await startEcho({ echo: stuck((signal) => started.push(signal)) });
  let timeoutMs = 100;
  const signal = await eventually(async () => {
    const { code } = await failure(client.echo({}, { timeoutMs }));
    expect(code).toBe(Code.DeadlineExceeded);
    // Of a call that takes longer than that to its server, the server never hears.
    timeoutMs *= 2;
    const [heard] = started;
    if (heard === undefined) throw new Error("the deadline passed before the call was there");
    return heard;
  });
  await aborted(signal);
  expect(signal.reason).toMatchObject({ name: "RpcError", code: Code.Cancelled });
  expect(defects).toEqual([]);
});

test("takes a deadline beyond what a timer can hold", async () => {
  const { client } = await startEcho();
  await expect(client.echo({}, { timeoutMs: Number.MAX_SAFE_INTEGER })).resolves.toBeDefined();
});

test("ends a call on both sides when its signal aborts, and leaves the signal alone", async () => {
  const started = deferred<AbortSignal>();
  const { client } = await startEcho({ echo: stuck(started.resolve) });
  const controller = new AbortController();
  const call = failure(client.echo({}, { signal: controller.signal }));
  const signal = await started.promise;
  controller.abort("enough");
  expect(await call).toMatchObject({ code: Code.Cancelled, cause: "enough" });
  await aborted(signal);
  expect(signal.reason).toMatchObject({ code: Code.Cancelled });
  expect(getEventListeners(controller.signal, "abort")).toEqual([]);
});

test("does not start a call whose signal has aborted", async () => {
  let calls = 0;
  const { client } = await startEcho({
    echo: async () => {
      calls++;
      return {};
    },
  });
  const signal = AbortSignal.abort();
  expect((await failure(client.echo({}, { signal }))).code).toBe(Code.Cancelled);
  expect((await failure(collect(client.repeat({}, { signal })))).code).toBe(Code.Cancelled);
  await client.echo({});
  expect(calls).toBe(1);
});

test("ends a stream that waits when its signal aborts", async () => {
  const { client } = await startEcho({ repeat: quiet() });
  const controller = new AbortController();
  const heard: string[] = [];
  const loop = (async () => {
    for await (const { text } of client.repeat({}, { signal: controller.signal })) {
      heard.push(text);
      setImmediate(() => controller.abort());
    }
  })();
  expect((await failure(loop)).code).toBe(Code.Cancelled);
  expect(heard).toEqual(["started"]);
  expect(getEventListeners(controller.signal, "abort")).toEqual([]);
});

test("gives nothing more once its signal has aborted, though more has arrived", async () => {
  const { client } = await startEcho();
  const controller = new AbortController();
  let heard = 0;
  const loop = (async () => {
    for await (const _ of client.repeat({ count: 10 }, { signal: controller.signal })) {
      heard++;
      await delay(50);
      controller.abort();
    }
  })();
  expect((await failure(loop)).code).toBe(Code.Cancelled);
  expect(heard).toBe(1);
});

test("leaves no listener on a signal that outlives its calls", async () => {
  const { client } = await startEcho();
  const { signal } = new AbortController();
  await client.echo({}, { signal });
  await collect(client.repeat({ count: 2 }, { signal }));
  await client.join(texts("a"), { signal });
  expect(getEventListeners(signal, "abort")).toEqual([]);
});

test("lets any number of calls share a signal", async () => {
  const warnings: Error[] = [];
  const onWarning = (warning: Error) => warnings.push(warning);
  process.on("warning", onWarning);
  onTestFinished(() => void process.off("warning", onWarning));
  const { client } = await startEcho();
  const { signal } = new AbortController();
  await Promise.all(Array.from({ length: 20 }, () => client.echo({}, { signal })));
  await delay(10);
  expect(warnings).toEqual([]);
});

test("leaving the loop ends the call on the server", async () => {
  const ended = deferred();
  const { client, server } = await startEcho({ repeat: quiet(ended.resolve) });
  for await (const _ of client.repeat({})) break;
  await ended.promise;
  // Nothing is left to wait for, else this would take the whole minute.
  await expect(server.stop(60_000)).resolves.toBeUndefined();
});

test("an error in the loop ends the call on the server", async () => {
  const ended = deferred();
  const { client } = await startEcho({ repeat: quiet(ended.resolve) });
  const loop = (async () => {
    for await (const _ of client.repeat({})) throw new TypeError("in the loop");
  })();
  await expect(loop).rejects.toThrow(TypeError);
  await ended.promise;
});

test("says UNAVAILABLE when the server cuts a call off, which gRPC calls CANCELLED", async () => {
  const started = deferred();
  const { client, server } = await startEcho({
    echo: stuck(() => started.resolve()),
    repeat: quiet(),
  });
  const unary = failure(client.echo({}));
  await started.promise;
  const responses = client.repeat({})[Symbol.asyncIterator]();
  await responses.next();
  const streamed = failure(responses.next());
  await server.stop(0);
  expect((await unary).code).toBe(Code.Unavailable);
  expect((await streamed).code).toBe(Code.Unavailable);
});

test("closing the channel ends what runs on it, and what comes after", async () => {
  const started = deferred();
  const ended = deferred();
  const { client, channel, server } = await startEcho({
    echo: stuck(() => started.resolve()),
    repeat: quiet(ended.resolve),
  });
  const unary = failure(client.echo({}));
  await started.promise;
  const responses = client.repeat({})[Symbol.asyncIterator]();
  await responses.next();
  const streamed = failure(responses.next());
  channel.close();
  channel.close();
  expect(await unary).toMatchObject({ code: Code.Cancelled, message: "The channel is closed." });
  expect((await streamed).code).toBe(Code.Cancelled);
  expect((await failure(client.echo({}))).code).toBe(Code.Cancelled);
  await ended.promise;
  await server.stop(60_000);
});

test("what the caller's request stream throws is the error of the call", async () => {
  const first = deferred();
  const ended = deferred<unknown>();
  const { client, defects } = await startEcho({
    async *chat(requests, { signal }) {
      try {
        for await (const { text } of requests) yield { text };
      } finally {
        await aborted(signal);
        ended.resolve(signal.reason);
      }
    },
  });
  async function* requests() {
    yield { text: "one" };
    await first.promise;
    throw new TypeError("no more");
  }
  const loop = (async () => {
    for await (const _ of client.chat(requests())) first.resolve();
  })();
  await expect(loop).rejects.toThrow(new TypeError("no more"));
  expect(await ended.promise).toMatchObject({ code: Code.Cancelled });
  await expect(client.join(requests())).rejects.toThrow(new TypeError("no more"));
  expect(defects).toEqual([]);
});

test("takes requests no faster than the server reads them, and returns the iterable at the end", async () => {
  const reading = deferred();
  const { client } = await startEcho({
    join: async () => {
      await reading.promise;
      return { text: "enough" };
    },
  });
  let taken = 0;
  let returned = false;
  async function* requests() {
    try {
      // Bounded, so that a bridge which does not pace fails this test and not the machine.
      while (taken < 10_000) {
        taken++;
        yield { text: "x".repeat(10_000) };
      }
    } finally {
      returned = true;
    }
  }
  const call = client.join(requests());
  const before = await steady(() => taken);
  expect(before).toBeLessThan(1_000);
  reading.resolve();
  expect((await call).text).toBe("enough");
  await eventually(() => expect(returned).toBe(true));
});

test("refuses text that would arrive changed, and says where it is", async () => {
  const { client } = await startEcho();
  const half = "\ud83d";
  const refused = async (request: Parameters<typeof client.echo>[0]) => {
    const error = await failure(client.echo(request));
    expect(error.code).toBe(Code.InvalidArgument);
    return error.message;
  };
  expect(await refused({ text: `cut ${half}` })).toContain("EchoRequest.text");
  expect(await refused({ labels: { a: half } })).toContain("EchoRequest.labels.a");
  expect(await refused({ labels: { [half]: "a" } })).toContain("EchoRequest.labels");
  expect(await refused({ data: { deep: ["fine", { half }] } })).toContain("data.deep.1.half");
  expect((await failure(collect(client.chat(texts("fine", half))))).code).toBe(
    Code.InvalidArgument,
  );
});

test("carries the replacement character, and whole pairs", async () => {
  const { client } = await startEcho();
  const text = "\uFFFD and \ud83d\ude00";
  expect((await client.echo({ text, blob: Buffer.from("\uFFFD") })).text).toBe(text);
});

test("refuses what no field can hold", async () => {
  const { client } = await startEcho();
  const error = await failure(collect(client.repeat({ count: 2 ** 40 })));
  expect(error.code).toBe(Code.InvalidArgument);
});

test("carries messages up to the bound, in both directions", async () => {
  const { client } = await startEcho();
  const text = "x".repeat(maxMessageBytes - 16);
  expect((await client.echo({ text })).text).toHaveLength(text.length);
});

test("sends no larger message, and takes none", async () => {
  const text = "x".repeat(maxMessageBytes);
  // Nothing listens there: it is refused before it is sent.
  const { client: nowhere } = openEcho(await temporaryAddress());
  expect((await failure(nowhere.echo({ text }))).code).toBe(Code.ResourceExhausted);

  const { address } = await startEcho({ echo: async () => ({ text }) });
  const unbounded = { "grpc.max_receive_message_length": -1 };
  const raw = openRawClient(address, unbounded);
  expect(await rawEcho(raw, Buffer.alloc(0))).toMatchObject({ code: Code.Internal });
  // The same request would never succeed.
  expect(await rawEcho(raw, Buffer.alloc(maxMessageBytes + 1))).toMatchObject({
    code: Code.InvalidArgument,
  });
});

test("does not send a call through the proxy that the environment names", async () => {
  vi.stubEnv("http_proxy", "http://127.0.0.1:9");
  vi.stubEnv("grpc_proxy", "http://127.0.0.1:9");
  onTestFinished(() => void vi.unstubAllEnvs());
  const address = `127.0.0.1:${await freePort()}`;
  const { client } = await startEcho({}, { address });
  expect((await client.echo({ text: "direct" })).text).toBe("direct");
});
