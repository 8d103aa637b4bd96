import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { expect, onTestFinished, test, vi } from "vitest";
import { Code } from "../../src/rpc/error.js";
import { openEcho, temporaryAddress } from "./echo-server.js";
import { failure } from "./failure.js";

test("connects with the first call, on a connection of its own, and closes it", async () => {
  const { address, sockets } = await listenSilently();
  const channels = [openEcho(address), openEcho(address)];
  expect(sockets).toHaveLength(0);
  const calls = channels.map(({ client }) => failure(client.echo({})));
  await vi.waitFor(() => expect(sockets).toHaveLength(2));

  const closed = sockets.map((socket) => once(socket, "close"));
  for (const { channel } of channels) channel.close();
  await Promise.all(closed);
  for (const error of await Promise.all(calls)) expect(error.code).toBe(Code.Cancelled);
});

/** A server that takes connections and never says a word on them. */
async function listenSilently(): Promise<{ address: string; sockets: Socket[] }> {
  const address = await temporaryAddress();
  const sockets: Socket[] = [];
  const server = createServer((socket) => sockets.push(socket.resume()));
  server.listen(address.slice("unix:".length));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  await once(server, "listening");
  return { address, sockets };
}
