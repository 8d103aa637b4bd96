import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { Code } from "../../src/rpc/error.js";
import { aborted } from "./aborted.js";
import { collect } from "./collect.js";
import { openEcho, startEcho, temporaryAddress } from "./echo-server.js";

test("connects with the first call, on a connection of its own, and closes it", async () => {
  const { address: target } = await startEcho();
  const { address, connections } = await startRelay(target);
  const clients = [openEcho(address), openEcho(address)];
  expect(connections).toHaveLength(0);
  for (const { client } of clients) {
    await client.echo({});
    await client.echo({});
  }
  expect(connections).toHaveLength(2);

  const closed = connections.map((socket) => once(socket, "close"));
  for (const { channel } of clients) channel.close();
  await Promise.all(closed);
});

test("calls on a connection that HTTP/2 ends for too many cancelled ones fail as of a lost connection", async () => {
  const { client } = await startEcho({
    async *repeat(_request, { signal }) {
      yield {};
      await aborted(signal);
    },
  });
  const codes = new Set<unknown>();
  const note = ({ code }: { code?: unknown }) => codes.add(code);
  // By itself nghttp2 allows 1,000 resets at once and 33 a second.
  for (let round = 0; round < 30; round++) {
    const controllers = Array.from({ length: 100 }, () => new AbortController());
    const cancelled = controllers.map(({ signal }) =>
      collect(client.repeat({}, { signal })).catch(note),
    );
    const plain = client.echo({}).catch(note);
    await client.echo({}).catch(note);
    for (const controller of controllers) controller.abort();
    await Promise.all([...cancelled, plain]);
  }
  expect([...codes]).toEqual(expect.arrayContaining([Code.Cancelled, Code.Unavailable]));
  expect(codes.size).toBe(2);
});

/** Relays connections, so that they can be counted. */
async function startRelay(target: string): Promise<{ address: string; connections: Socket[] }> {
  const address = await temporaryAddress();
  const connections: Socket[] = [];
  const relay = createServer((socket) => {
    connections.push(socket);
    const server = connect(target.slice("unix:".length));
    // What either still writes when the other has gone is lost, and no failure.
    for (const end of [socket, server]) end.on("error", () => undefined);
    socket.pipe(server).pipe(socket);
  });
  relay.listen(address.slice("unix:".length));
  onTestFinished(() => void relay.close());
  await once(relay, "listening");
  return { address, connections };
}
