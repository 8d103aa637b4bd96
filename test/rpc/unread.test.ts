import { setTimeout as delay } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
import { createServer, serve, type HandlerContext } from "../../src/rpc/server.js";
import { Code, RpcError } from "../../src/rpc/error.js";
import { UnreadResponses } from "../../src/rpc/unread.js";
import { eventually } from "../support/test-broker.js";
import { aborted } from "./aborted.js";
import { collect } from "./collect.js";
import { deferred } from "./deferred.js";
import { openEcho, startEcho, temporaryAddress } from "./echo-server.js";
import { failure } from "./failure.js";
import { EchoService } from "./gen/echo_pb.js";

const KiB = 1024;

/** A server whose Repeat sends `count` texts of 32 KiB, and notes which calls have ended. */
async function startWide(maxUnreadBytes: number) {
  const ended: string[] = [];
  const address = await temporaryAddress();
  const server = createServer({
    services: [
      serve(EchoService, {
        echo: async () => ({ text: "x".repeat(32 * KiB) }),
        async *repeat({ text, count }) {
          try {
            for (let index = 0; index < count; index++) yield { text: "x".repeat(32 * KiB), index };
          } finally {
            ended.push(text);
          }
        },
        join: async () => ({}),
        async *chat() {},
      }),
    ],
    onDefect: () => undefined,
    maxUnreadBytes,
  });
  await server.listen(address);
  onTestFinished(() => server.stop(0));
  return { address, ended };
}

test("streams that nobody reads are reset, the longest unread first; one that is read gets all", async () => {
  const { address, ended } = await startWide(512 * KiB);
  const unread = Array.from({ length: 30 }, (_, index) => {
    const { client } = openEcho(address);
    const stream = client.repeat({ text: `unread-${index}`, count: 1000 })[Symbol.asyncIterator]();
    return { stream, begun: stream.next() };
  });
  for (const { begun } of unread) await begun.catch(() => undefined);
  const { client } = openEcho(address);
  expect(await collect(client.repeat({ text: "read", count: 100 }))).toHaveLength(100);
  // Each of the others holds up to 96 KiB: of 30, the bound lets few be.
  await eventually(() =>
    expect(ended.filter((text) => text.startsWith("unread")).length).toBeGreaterThan(15),
  );
  const first = ended.find((text) => text.startsWith("unread")) ?? "";
  const reset = unread[Number(first.slice("unread-".length))];
  const readAll = async (): Promise<void> => {
    while ((await reset?.stream.next())?.done === false);
  };
  expect((await failure(readAll())).code).toBe(Code.ResourceExhausted);
});

test("who has taken nothing for longest is reset: taking some counts, being written to does not", () => {
  const unread = new UnreadResponses(100);
  const [quick, slow] = [unread.open(undefined), unread.open(undefined)];
  quick.written(40);
  slow.written(40);
  quick.taken(10);
  quick.written(40);
  expect([quick.bytes, slow.bytes]).toEqual([70, 0]);
  const late = unread.open(undefined);
  late.written(20);
  quick.written(20);
  expect([quick.bytes, late.bytes]).toEqual([0, 20]);
});

test("unary answers count while they are unread, and no longer", async () => {
  const { address } = await startWide(256 * KiB);
  const { client } = openEcho(address);
  for (let call = 0; call < 100; call++)
    expect((await client.echo({})).text).toHaveLength(32 * KiB);
});

test("a call is ended from outside of its handler, also when its reader reads nothing", async () => {
  const contexts: HandlerContext[] = [];
  const hasEnded = deferred();
  const { client } = await startEcho({
    async *repeat(_request, context) {
      contexts.push(context);
      try {
        for (;;) yield { text: "x".repeat(32 * KiB) };
      } finally {
        hasEnded.resolve();
      }
    },
  });
  const stream = client.repeat({})[Symbol.asyncIterator]();
  await stream.next();
  // It waits for its reader by now.
  await delay(100);
  contexts[0]?.end(new RpcError(Code.Aborted, "another took over"));
  await hasEnded.promise;
  const readAll = async (): Promise<void> => {
    while ((await stream.next()).done === false);
  };
  expect(await failure(readAll())).toMatchObject({
    code: Code.Aborted,
    message: "another took over",
  });
});

test("a handler that waits hears that its call was ended from outside", async () => {
  const { client } = await startEcho({
    async *repeat(_request, context) {
      yield { text: "started" };
      setTimeout(() => context.end(new RpcError(Code.Aborted, "enough")), 10);
      await aborted(context.signal);
    },
  });
  expect(await failure(collect(client.repeat({})))).toMatchObject({ code: Code.Aborted });
});
