import { constants, type ClientHttp2Session, type ClientHttp2Stream } from "node:http2";
import { setTimeout as delay } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import { create, toBinary } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import { Code, RpcError } from "../../src/rpc/error.js";
import { maxCallsOfConnection } from "../../src/rpc/limits.js";
import type { HandlerContext } from "../../src/rpc/server.js";
import { eventually } from "../support/test-broker.js";
import { aborted } from "./aborted.js";
import { collect } from "./collect.js";
import { openEcho, quiet, startEcho } from "./echo-server.js";
import { failure } from "./failure.js";
import { EchoRequestSchema } from "./gen/echo_pb.js";
import { chatPath, echoPath, repeatPath } from "./raw-client.js";
import { frame } from "./frame.js";
import { openRawSession, openRawStream } from "./raw-session.js";

const KiB = 1024;
const noWindow = { initialWindowSize: 0 };
const empty = frame(Buffer.alloc(0));

/** The reason with which RST_STREAM came; undefined while the stream is open. */
function resetOf(stream: ClientHttp2Stream): number | undefined {
  return stream.closed ? stream.rstCode : undefined;
}

/** Opens calls, and reads what comes of them. */
function openMany(session: ClientHttp2Session, path: string, count: number): ClientHttp2Stream[] {
  return Array.from({ length: count }, () => {
    const stream = openRawStream(session, path);
    stream.resume();
    stream.end(empty);
    return stream;
  });
}

function expectAllReset(streams: readonly ClientHttp2Stream[]): void {
  const calm = constants.NGHTTP2_ENHANCE_YOUR_CALM;
  expect(streams.map(resetOf)).toEqual(streams.map(() => calm));
}

async function* askTwice(pauseMs: number): AsyncGenerator<{ text: string }> {
  yield { text: "first" };
  await delay(pauseMs);
  yield { text: "last" };
}

describe("a call that is stuck is closed", () => {
  test("when it was answered once, and its reader gives no window", async () => {
    const { address, client, bounds } = await startEcho({}, { bounds: { stuckMs: 100 } });
    const streams = openMany(openRawSession(address, noWindow), echoPath, 100);
    await eventually(() => expectAllReset(streams));
    expect(bounds.some((words) => words.includes("took no answer"))).toBe(true);
    expect((await client.echo({ text: "still here" })).text).toBe("still here");
  });

  test("when its stream of responses has ended, and its reader gives no window", async () => {
    const { address } = await startEcho(
      { repeat: async function* () {} },
      { bounds: { stuckMs: 100 } },
    );
    const streams = openMany(openRawSession(address, noWindow), repeatPath, 100);
    await eventually(() => expectAllReset(streams));
  });

  test("when its responses wait for a window as it is ended from outside", async () => {
    const contexts: HandlerContext[] = [];
    const { address } = await startEcho(
      {
        async *repeat(_request, context) {
          contexts.push(context);
          for (;;) yield { text: "x".repeat(32 * KiB) };
        },
      },
      { bounds: { stuckMs: 100 } },
    );
    const streams = openMany(openRawSession(address, noWindow), repeatPath, 20);
    await eventually(() => expect(contexts).toHaveLength(20));
    await delay(300);
    expect(streams.map(resetOf)).toEqual(streams.map(() => undefined));
    for (const context of contexts) context.end(new RpcError(Code.Aborted, "enough"));
    await eventually(() => expectAllReset(streams));
  });

  test("when its deadline has passed: its handler hears of it, though the status cannot leave", async () => {
    const reasons: unknown[] = [];
    const { address } = await startEcho(
      {
        async *repeat(_request, { signal }) {
          yield { text: "started" };
          await aborted(signal);
          reasons.push(signal.reason);
        },
      },
      { bounds: { stuckMs: 100 } },
    );
    const session = openRawSession(address, noWindow);
    const stream = openRawStream(session, repeatPath, { "grpc-timeout": "50m" });
    stream.resume();
    stream.end(empty);
    await eventually(() => expectAllReset([stream]));
    await eventually(() => expect(reasons).toMatchObject([{ code: Code.Cancelled }]));
  });

  test.each([
    ["without a message", echoPath, {}, Buffer.alloc(0)],
    ["in the middle of a message", echoPath, {}, frame(Buffer.from("ab"), 100)],
    ["of a method that nobody has", "/peerline.test.echo.v1.EchoService/None", {}, empty],
    ["of a stranger to gRPC", echoPath, { "content-type": "text/plain" }, Buffer.from("hello")],
  ])("when its request does not end: one %s", async (_, path, headers, body) => {
    const { address } = await startEcho({}, { bounds: { stuckMs: 100 } });
    const stream = openRawStream(openRawSession(address), path, headers);
    stream.resume();
    stream.write(body);
    await eventually(() => expect(stream.closed).toBe(true));
  });

  test("and no other: not one that streams, asks on, or takes its time", async () => {
    const { client, bounds } = await startEcho(
      {
        repeat: quiet(),
        echo: async ({ text }) => {
          await delay(600);
          return { text };
        },
      },
      { bounds: { stuckMs: 100 } },
    );
    const quietStream = client.repeat({})[Symbol.asyncIterator]();
    expect((await quietStream.next()).value?.text).toBe("started");
    const slow = client.echo({ text: "slow" });
    const answers = await collect(client.chat(askTwice(600)));
    expect(answers.map(({ text }) => text)).toEqual(["first", "last"]);
    expect((await slow).text).toBe("slow");
    expect(bounds).toEqual([]);
    const end = quietStream.next();
    expect(await Promise.race([end, delay(300, "open")])).toBe("open");
  });
});

describe("of all calls that are open", () => {
  test("one connection has a bounded part", async () => {
    const { address } = await startEcho();
    const session = openRawSession(address);
    await new Promise((resolve) => session.once("remoteSettings", resolve));
    expect(session.remoteSettings.maxConcurrentStreams).toBe(maxCallsOfConnection);
  });

  test("a client with the most gives way: its newest is reset, or refused, and others are answered", async () => {
    const { address, bounds } = await startEcho({ repeat: quiet() }, { bounds: { calls: 20 } });
    const greedy = openRawSession(address);
    const held = openMany(greedy, repeatPath, 20);
    const modest = openEcho(address).client;
    await eventually(() => expect(held.every(({ pending }) => !pending)).toBe(true));

    const own = modest.repeat({})[Symbol.asyncIterator]();
    expect((await own.next()).value?.text).toBe("started");
    expect((await modest.echo({ text: "through" })).text).toBe("through");
    expect((await modest.echo({ text: "again" })).text).toBe("again");
    await eventually(() => expectAllReset(held.slice(-2)));
    expect(held.slice(0, -2).map(resetOf)).toEqual(held.slice(0, -2).map(() => undefined));

    const [last] = openMany(greedy, repeatPath, 1);
    const [more] = openMany(greedy, repeatPath, 1);
    const status = await new Promise<unknown>((resolve) => {
      more?.on("response", (head) => resolve([head["grpc-status"], head["grpc-message"]]));
    });
    expect(status).toEqual(["8", encodeURI("20 calls are open: try again when others have ended")]);
    expect(last && resetOf(last)).toBeUndefined();
    expect(bounds).toEqual(["20 calls are open: the client with the most gave way"]);
    await own.return?.();
  });

  test("a refusal reaches a client as RESOURCE_EXHAUSTED, and is over with the flood", async () => {
    const { client } = await startEcho({ repeat: quiet() }, { bounds: { calls: 2 } });
    const held = [client.repeat({}), client.repeat({})].map((all) => all[Symbol.asyncIterator]());
    for (const stream of held) await stream.next();
    const refused = await failure(client.echo({ text: "one too many" }));
    expect(refused.code).toBe(Code.ResourceExhausted);
    expect(refused.message).toContain("2 calls are open");
    await held[0]?.return?.();
    await eventually(async () => expect((await client.echo({ text: "in" })).text).toBe("in"));
    await held[1]?.return?.();
  });

  test("a thousand agents keep their streams and are answered, while one client takes the rest", async () => {
    const { address } = await startEcho({ repeat: quiet() }, { bounds: { calls: 2_100 } });
    const agents: ClientHttp2Session[] = [];
    // The kernel has a queue of connections that wait to be accepted.
    while (agents.length < 1_000) {
      const some = Array.from({ length: 50 }, () => openRawSession(address));
      const haveBegun = some.map((one) => new Promise((done) => one.once("remoteSettings", done)));
      await Promise.all(haveBegun);
      agents.push(...some);
    }
    const streams = agents.flatMap((session) => openMany(session, repeatPath, 1));
    const hasBegun = streams.map((stream) => new Promise((done) => stream.once("response", done)));
    await Promise.all(hasBegun);
    const taken: ClientHttp2Stream[] = [];
    for (let index = 0; index < 6; index++) {
      taken.push(...openMany(openRawSession(address), repeatPath, 200));
    }
    await eventually(() => expect(taken.filter(({ closed }) => closed).length).toBe(100));
    const statuses = agents.map(async (session) => {
      const [echo] = openMany(session, echoPath, 1);
      return await new Promise((done) => {
        echo?.once("trailers", (trailers) => done(trailers["grpc-status"]));
        echo?.once("close", () => done("reset"));
      });
    });
    const answers = await Promise.all(statuses);
    expect(answers.filter((status) => status !== "0")).toEqual([]);
    expect(streams.filter(({ closed }) => closed)).toEqual([]);
  });

  test("thousands that a client gives no window for leave a bounded number open", async () => {
    const { address, client } = await startEcho({}, { bounds: { calls: 200 } });
    const streams: ClientHttp2Stream[] = [];
    for (let index = 0; index < 6; index++) {
      streams.push(...openMany(openRawSession(address, noWindow), echoPath, 150));
    }
    await eventually(() => expect(streams.filter(({ pending }) => pending)).toEqual([]));
    expect((await client.echo({ text: "through" })).text).toBe("through");
    await eventually(() =>
      expect(streams.filter(({ closed }) => !closed).length).toBeLessThanOrEqual(200),
    );
  });
});

describe("of all connections", () => {
  test("one that carries no call gives way, the one idle for longest first", async () => {
    const { address, bounds } = await startEcho(
      { repeat: quiet() },
      { bounds: { connections: 4 } },
    );
    const busy = openEcho(address).client.repeat({})[Symbol.asyncIterator]();
    await busy.next();
    const idle = Array.from({ length: 3 }, () => openRawSession(address));
    for (const session of idle) await new Promise((done) => session.once("remoteSettings", done));
    expect((await openEcho(address).client.echo({ text: "new" })).text).toBe("new");
    await eventually(() =>
      expect(idle.map(({ destroyed }) => destroyed)).toEqual([true, false, false]),
    );
    expect(bounds).toHaveLength(1);
    expect(await Promise.race([busy.next(), delay(50, "open")])).toBe("open");
  });

  test("the newest is closed where all carry calls, which go on", async () => {
    const { address } = await startEcho({ repeat: quiet() }, { bounds: { connections: 3 } });
    const clients = Array.from({ length: 3 }, () => openEcho(address).client);
    const busy = clients.map((client) => client.repeat({})[Symbol.asyncIterator]());
    for (const stream of busy) await stream.next();
    const refused = await failure(openEcho(address).client.echo({ text: "new" }));
    expect([Code.ResourceExhausted, Code.Unavailable]).toContain(refused.code);
    for (const client of clients) expect((await client.echo({ text: "on" })).text).toBe("on");
    await busy[0]?.return?.();
    const { client } = openEcho(address);
    await eventually(async () => expect((await client.echo({ text: "in" })).text).toBe("in"));
    for (const stream of busy) await stream.return?.();
  });
});

describe("of what requests hold", () => {
  const bounds = { requestBytes: 1024 * KiB };

  test("the largest of the client with the most is reset, and others are answered", async () => {
    const { address, client, bounds: told } = await startEcho({}, { bounds });
    const session = openRawSession(address);
    const parts = Array.from({ length: 8 }, () => {
      const stream = openRawStream(session, echoPath);
      stream.resume();
      stream.write(frame(Buffer.alloc(200 * KiB), 400 * KiB));
      return stream;
    });
    await eventually(() => expect(parts.filter(({ closed }) => closed).length).toBeGreaterThan(2));
    expect((await client.echo({ text: "x".repeat(100 * KiB) })).text).toHaveLength(100 * KiB);
    expect(told).toEqual(["requests hold 1048576 bytes: the largest was reset"]);
  });

  test("headers count", async () => {
    const { address, client } = await startEcho({ repeat: quiet() }, { bounds });
    const session = openRawSession(address);
    const streams = Array.from({ length: 100 }, () => {
      const stream = openRawStream(session, repeatPath, { padding: "x".repeat(30 * KiB) });
      stream.resume();
      stream.end(empty);
      return stream;
    });
    await eventually(() =>
      expect(streams.filter(({ closed }) => closed).length).toBeGreaterThan(60),
    );
    expect((await client.echo({ text: "through" })).text).toBe("through");
  });

  test("what was compressed counts as it is kept", async () => {
    const { address } = await startEcho({ repeat: quiet() }, { bounds });
    const session = openRawSession(address);
    // A field that nobody knows: 1,000,000 bytes of it, which gzip makes small.
    const large = Buffer.concat([Buffer.from([0xa2, 0x06, 0xc0, 0x84, 0x3d]), Buffer.alloc(1e6)]);
    const body = frame(gzipSync(large));
    body.writeUInt8(1, 0);
    const streams = Array.from({ length: 5 }, () => {
      const stream = openRawStream(session, repeatPath, { "grpc-encoding": "gzip" });
      stream.resume();
      stream.end(body);
      return stream;
    });
    await eventually(() => expect(streams.filter(({ closed }) => closed).length).toBe(4));
  });

  test("a stream of many small requests does not come to hold them all", async () => {
    const { address } = await startEcho({}, { bounds: { requestBytes: 5 * 1024 * KiB } });
    const stream = openRawStream(openRawSession(address), chatPath);
    stream.resume();
    const { client: other } = openEcho(address);
    const request = toBinary(
      EchoRequestSchema,
      create(EchoRequestSchema, { text: "x".repeat(1e5) }),
    );
    for (let index = 0; index < 100; index++) stream.write(frame(Buffer.from(request)));
    await eventually(() => expect(stream.writableLength).toBe(0));
    expect((await other.echo({ text: "through" })).text).toBe("through");
    expect(stream.closed).toBe(false);
  });
});
