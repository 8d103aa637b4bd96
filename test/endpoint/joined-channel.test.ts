import { createServer, type Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import { expect, onTestFinished, test } from "vitest";
import { askJoinedBroker, whyUnreachable } from "../../src/endpoint/joined-channel.js";
import { freePort } from "../rpc/free-port.js";
import { newSecret } from "../support/test-broker.js";
import { testCertificate } from "../support/test-certificate.js";

async function refusalAt(port: number, ca: string): Promise<unknown> {
  const endpoint = { kind: "tls", host: "127.0.0.1", port } as const;
  const credential = newSecret();
  const broker = { endpoint, ca, machine: "desktop", credential };
  const error = await askJoinedBroker(broker, new AbortController().signal).catch(
    (cause: unknown) => cause,
  );
  expect(JSON.stringify(error)).not.toContain(credential);
  return error;
}

test("a port on which nothing listens, or no TLS is spoken, is said in one sentence", async () => {
  const { ca } = await testCertificate();
  const port = await freePort();
  expect(await refusalAt(port, ca)).toMatchObject({
    code: "BROKER_UNREACHABLE",
    message: expect.stringContaining(`tls:127.0.0.1:${port} does not answer: nothing listens`),
  });
  const sockets = new Set<Socket>();
  const plain = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.end("SSH-2.0-OpenSSH\r\n");
  });
  await new Promise<void>((resolve) => plain.listen(port, "127.0.0.1", resolve));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    plain.close();
  });
  expect(await refusalAt(port, ca)).toMatchObject({
    code: "BROKER_UNREACHABLE",
    message: expect.stringContaining("does not speak TLS 1.3"),
  });
});

test("what proves itself, and then speaks no HTTP/2, is said to be no broker", async () => {
  const { key, chain, ca } = await testCertificate();
  const server = createTlsServer(
    { key, cert: chain, minVersion: "TLSv1.3", ALPNProtocols: ["h2"] },
    (socket) => {
      socket.on("error", () => {});
      socket.write(Buffer.alloc(64, 0xff));
    },
  );
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => sockets.add(socket));
  const port = await freePort();
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  expect(await refusalAt(port, ca)).toMatchObject({
    code: "BROKER_UNREACHABLE",
    message: expect.stringMatching(/does not answer: what answers there is no broker of Peerline/),
  });
});

test.each([
  ["Deadline exceeded after 10.001s,name resolution: 0.001s", "nobody answers in time"],
  ["Name resolution failed for target dns:nowhere:1", "its name is not known here"],
  ["No connection established. Last error: Error: connect EHOSTUNREACH", "no way to that machine"],
  ["No connection established. Last error: certificate has expired", "its certificate has expired"],
  // What Node says where NODE_TLS_REJECT_UNAUTHORIZED=0 has it check later.
  ["Last error: Error: SELF_SIGNED_CERT_IN_CHAIN", "not of the broker that was joined"],
  ["Last error: Error: UNABLE_TO_VERIFY_LEAF_SIGNATURE", "not of the broker that was joined"],
  ["Last error: Error: UNABLE_TO_GET_ISSUER_CERT_LOCALLY", "not of the broker that was joined"],
])("%s is said as a cause", (message, words) => {
  expect(whyUnreachable(message)).toContain(words);
});
