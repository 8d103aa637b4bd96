import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { expect, onTestFinished, test } from "vitest";
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
