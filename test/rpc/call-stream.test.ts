import { expect, test, vi } from "vitest";
import type { Connection } from "../../src/rpc/server.js";
import { aborted } from "./aborted.js";
import { collect } from "./collect.js";
import { openEcho, startEcho } from "./echo-server.js";
import { eventually } from "../support/test-broker.js";

/** Handlers that note the connection of each call. */
async function startNoting() {
  const seen: Connection[] = [];
  const echo = await startEcho({
    echo: async ({ text }, { connection }) => {
      seen.push(connection);
      return { text };
    },
    async *repeat(_request, { connection, signal }) {
      seen.push(connection);
      yield { text: "started" };
      await aborted(signal);
    },
  });
  return { ...echo, seen };
}

test("calls of one channel share a connection, whatever their kind; another channel has its own", async () => {
  const { client, address, seen } = await startNoting();
  await client.echo({});
  for await (const _ of client.repeat({})) break;
  await openEcho(address).client.echo({});
  const [unary, stream, other] = seen;
  expect(unary).toBe(stream);
  expect(unary).not.toBe(other);
  expect(seen.map(({ closed }) => closed.aborted)).toEqual([false, false, false]);
});

test("a connection outlives its calls, and tells its end once the client is gone", async () => {
  const { client, channel, seen } = await startNoting();
  await client.echo({});
  await client.echo({});
  const [connection] = seen;
  const listener = vi.fn();
  connection?.closed.addEventListener("abort", listener);
  expect(connection?.closed.aborted).toBe(false);
  channel.close();
  await eventually(() => expect(connection?.closed.aborted).toBe(true));
  expect(listener).toHaveBeenCalledOnce();
});

test("a connection ends with its server, also under a stream that is open", async () => {
  const { client, server, seen } = await startNoting();
  const reading = collect(client.repeat({})).catch(() => undefined);
  await eventually(() => expect(seen).toHaveLength(1));
  await server.stop(0);
  await reading;
  await eventually(() => expect(seen[0]?.closed.aborted).toBe(true));
});
