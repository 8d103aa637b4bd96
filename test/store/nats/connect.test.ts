import { connect, createServer, type AddressInfo } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import { StoreError } from "../../../src/broker/store/store.js";
import type { LinkState } from "../../../src/store/nats/connect.js";
import type { NatsLogin } from "../../../src/contract/nats-options.js";
import { findNatsServers, isNatsMissing } from "../../support/nats-programs.js";
import { lastingPort, startNats, type NatsOptions } from "../../support/nats-server.js";
import { newTestAuthority } from "../../support/test-authority.js";
import { eventually } from "../../support/test-broker.js";
import { openLink, optionsFor, startCluster, startServer } from "./open-link.js";

describe.skipIf(isNatsMissing())("a link to NATS", () => {
  const usable = findNatsServers().filter(({ version }) => !version.startsWith("2.9."));

  test.each(usable)("is made to $version, under the name of the program", async ({ version }) => {
    const server = await startServer({ version });
    const link = await openLink(optionsFor(server));
    expect(link.state).toEqual({
      state: "connected",
      server: new URL(server.url).host,
      version,
    });
    expect(link.lost.aborted).toBe(false);
    expect(await server.ask("/connz")).toMatchObject({ connections: [{ name: "peerline 1.2.3" }] });
  });

  test.skipIf(isNatsMissing("2.9"))(
    "refuses a server that is too old, with what to do",
    async () => {
      const server = await startServer({ version: "2.9" });
      expect(await failure(optionsFor(server))).toBe(
        `The NATS server at 127.0.0.1:${server.port} has version 2.9.10, and older ones than 2.10.23 lose streams: update it. Debian 12 has 2.9.10 itself; newer packages run there, too.`,
      );
      await eventually(async () =>
        expect(await server.ask("/connz")).toMatchObject({ connections: [] }),
      );
    },
  );

  test("waits for a server that is just starting", async () => {
    const port = await lastingPort();
    const url = `nats://127.0.0.1:${port}`;
    const opening = openLink(optionsFor({ url }));
    await startServer({ port });
    expect((await opening).state.state).toBe("connected");
  });

  test("says where nothing answers, and what to look at", async () => {
    const url = `nats://127.0.0.1:${await lastingPort()}`;
    expect(await failure(optionsFor({ url }))).toMatch(
      /^No NATS server can be used at 127\.0\.0\.1:\d+ \(.*ECONNREFUSED.*\): start one, or look at store in broker\.toml\.$/,
    );
  });

  test("reaches a server that answers, beside others that take connections and say nothing", async () => {
    const silent = await Promise.all([1, 2, 3].map(() => startServer({ isRelayed: true })));
    for (const { relay } of silent) relay.hold("answers");
    const server = await startServer();
    const urls = [...silent, server].map(({ url }) => url);
    const link = await openLink(optionsFor({ urls }), { patienceMs: 2_000 });
    expect(link.state).toMatchObject({ server: new URL(server.url).host });
  });

  test("says that JetStream is not enabled", async () => {
    const server = await startServer({ jetstream: false });
    expect(await failure(optionsFor(server))).toContain(
      "JetStream is not enabled for this account",
    );
  });

  test("says that a server takes too short messages", async () => {
    const server = await startServer({ config: "max_payload: 1000" });
    expect(await failure(optionsFor(server))).toContain(
      "takes messages of 1000 bytes: set its max_payload to at least 262144.",
    );
  });

  test.each<[NatsOptions["authentication"], NatsLogin | undefined]>([
    [
      { by: "password", user: "team", password: 'a "word"' },
      { kind: "password", user: "team", password: 'a "word"' },
    ],
    [{ by: "nkey" }, undefined],
    [{ by: "credentials" }, undefined],
  ])("is let in by what it has to show: %j", async (authentication, login) => {
    const server = await startServer(authentication === undefined ? {} : { authentication });
    const shown = login === undefined ? {} : { login: () => login };
    const link = await openLink(optionsFor(server, { files: server.files, ...shown }));
    expect(link.state.state).toBe("connected");
    expect(await failure(optionsFor(server))).toContain(
      "does not let this broker in: correct what [nats] says of the login (credentials, nkey_file,",
    );
  });

  test("is let in by a token, and names the setting where that is wrong", async () => {
    const server = await startServer({ config: "authorization { token: right }" });
    await openLink(optionsFor(server, { login: () => ({ kind: "token", token: "right" }) }));
    const words = await failure(
      optionsFor(server, { login: () => ({ kind: "token", token: "wr0ng" }) }),
    );
    expect(words).toContain("does not let this broker in: correct token_file of [nats] in broker");
    expect(words).not.toContain("wr0ng");
  });

  test("names the permission that its user needs", async () => {
    const server = await startServer({
      config:
        'authorization { users: [{ user: a, password: b, permissions: { publish: "other.>" } }] }',
    });
    const login = { kind: "password", user: "a", password: "b" } as const;
    expect(await failure(optionsFor(server, { login: () => login }))).toBe(
      "NATS does not let this broker publish to $JS.API.INFO: give its user that permission.",
    );
  });

  test.each([false, true])(
    "is encrypted; servers ask for a certificate: %s",
    async (verifiesClients) => {
      const authority = await newTestAuthority("an authority");
      const server = await startServer({ tls: { authority, verifiesClients } });
      const link = await openLink(optionsFor(server, { files: server.files }));
      expect(link.state.state).toBe("connected");
      const words = await failure(optionsFor(server, { requireTls: true }));
      expect(words).toMatch(/certificate.*tls_ca, tls_cert and tls_key of \[nats\]/);
    },
  );

  test("is made to nobody but those whom its settings name", async () => {
    const authority = await newTestAuthority("an authority");
    const server = await startServer({ tls: { authority } });
    // The certificate is for 127.0.0.1 and for localhost.
    const other = await forwarded("127.0.0.2", server.port);
    expect(await failure(optionsFor(other, { files: server.files }))).toMatch(
      /127\.0\.0\.2 is not in the cert.*tls_ca/,
    );
    const plain = await startServer();
    expect(await failure(optionsFor(plain, { requireTls: true }))).toMatch(
      /does not support 'tls'.*tls_ca/,
    );
  });

  test("comes back by itself, and tells what became of it", async () => {
    const server = await startServer();
    const link = await openLink(optionsFor(server));
    const told: LinkState["state"][] = [];
    const watch = link.watch(({ state }) => told.push(state));
    const { lost } = link;
    await server.kill();
    await eventually(() => expect(link.state.state).toBe("lost"));
    expect(link.state).toMatchObject({ problem: expect.stringMatching(/lost|No NATS server/) });
    expect(lost.aborted).toBe(true);
    expect(lost.reason).toMatchObject({ code: "UNAVAILABLE" });
    expect(await link.whenConnected(50)).toBe(false);
    const waiting = link.whenConnected(30_000);
    await server.restart();
    expect(await waiting).toBe(true);
    expect(link.lost.aborted).toBe(false);
    expect((await link.manager.getAccountInfo()).streams).toBe(0);
    expect(told.filter((state, index) => state !== told[index - 1])).toEqual(["lost", "connected"]);
    watch[Symbol.dispose]();
    const count = told.length;
    await server.restart();
    expect(await link.whenConnected(30_000)).toBe(true);
    expect(told).toHaveLength(count);
  });

  test("notices within seconds that its server is silent", async () => {
    const server = await startServer();
    const link = await openLink(optionsFor(server));
    await server.pause();
    await eventually(() => expect(link.state.state).toBe("lost"), 15_000);
    server.resume();
    expect(await link.whenConnected(30_000)).toBe(true);
  });

  test("goes to another server of the cluster when its own is killed", async () => {
    const cluster = await startCluster();
    const link = await openLink(optionsFor(cluster));
    const before = link.state;
    const own = cluster.members.find(
      ({ url }) => before.state === "connected" && before.server === new URL(url).host,
    );
    await own?.kill();
    await eventually(() => {
      expect(link.state).toMatchObject({ state: "connected" });
      expect(link.state).not.toEqual(before);
    });
  });

  test.skipIf(isNatsMissing("2.9"))(
    "is not used while its server was replaced by an older one",
    async () => {
      const first = await startServer();
      const { port } = first;
      const link = await openLink(optionsFor(first));
      await first[Symbol.asyncDispose]();
      const old = await startNats({ version: "2.9", port });
      await eventually(() => expect(link.state.state).toBe("refused"));
      expect(link.state).toMatchObject({
        problem: expect.stringContaining("has version 2.9.10, and older ones than 2.10.23"),
      });
      expect(link.lost.aborted).toBe(true);
      await old[Symbol.asyncDispose]();
      await startServer({ port });
      expect(await link.whenConnected(30_000)).toBe(true);
    },
  );

  test("comes back with the login that there is by then, and says while it is not let in", async () => {
    const port = await lastingPort();
    const let_in = (password: string): NatsOptions => ({
      port,
      authentication: { by: "password", user: "team", password },
    });
    const first = await startNats(let_in("before"));
    let password = "before";
    const troubles: string[] = [];
    const options = optionsFor(first, {
      login: () => ({ kind: "password", user: "team", password }),
    });
    const link = await openLink(options, { onTrouble: (words) => troubles.push(words) });
    await first[Symbol.asyncDispose]();
    await startServer(let_in("after"));
    const words = "does not let this broker in: correct user and password_file of [nats]";
    await eventually(() =>
      expect(link.state).toMatchObject({ problem: expect.stringContaining(words) }),
    );
    expect(troubles.at(-1)).toContain(words);
    password = "after";
    expect(await link.whenConnected(30_000)).toBe(true);
  });

  test("survives a login that cannot be read for a while", async () => {
    const authentication = { by: "password", user: "team", password: "word" } as const;
    const server = await startServer({ authentication });
    let isThere = true;
    const login = (): NatsLogin => {
      if (!isThere) throw new Error("the file is being replaced");
      return { kind: "password", user: "team", password: "word" };
    };
    const link = await openLink(optionsFor(server, { login }));
    isThere = false;
    await server.restart();
    await eventually(() => expect(link.state.state).toBe("connected"));
    expect(await link.whenConnected(30_000)).toBe(true);
  });

  test("ends within its bound, connected or not, and leaves nothing behind", async () => {
    const server = await startServer();
    const link = await openLink(optionsFor(server));
    const { lost } = link;
    await link[Symbol.asyncDispose]();
    await link[Symbol.asyncDispose]();
    expect(link.state).toEqual({ state: "closed" });
    expect(lost.aborted).toBe(true);
    expect(await link.whenConnected(30_000)).toBe(false);
    await eventually(async () =>
      expect(await server.ask("/connz")).toMatchObject({ connections: [] }),
    );

    const other = await openLink(optionsFor(server));
    await server.pause();
    await other[Symbol.asyncDispose]();
    server.resume();
    const third = await openLink(optionsFor(server));
    await server.kill();
    await third[Symbol.asyncDispose]();
    expect(third.state).toEqual({ state: "closed" });
  });
});

/** Why no link was made. */
async function failure(options: Parameters<typeof openLink>[0]): Promise<string> {
  const error = await openLink(options, { patienceMs: 300 }).catch((cause: unknown) => cause);
  expect(error).toBeInstanceOf(StoreError);
  expect(error).toMatchObject({ code: "UNAVAILABLE" });
  return (error as StoreError).message;
}

/** Another address of this machine, which leads to a port. */
async function forwarded(host: string, port: number): Promise<{ url: string }> {
  const server = createServer((client) => {
    const onward = connect(port, "127.0.0.1");
    for (const socket of [client, onward]) socket.on("error", () => undefined);
    client.pipe(onward).pipe(client);
  });
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  onTestFinished(() => void server.close());
  return { url: `nats://${host}:${(server.address() as AddressInfo).port}` };
}
