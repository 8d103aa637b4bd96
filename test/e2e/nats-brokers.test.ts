import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { userInfo } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { brokerExit } from "../../src/endpoint/start-report.js";
import { Terminal, type Ended } from "../cli/terminal.js";
import { startCluster, startServer } from "../store/nats/open-link.js";
import { isNatsMissing } from "../support/nats-programs.js";
import { lastingPort } from "../support/nats-server.js";
import { eventually } from "../support/test-broker.js";

// A person at a terminal is a peer, named for the user, and may write to itself.
const me = userInfo().username.toLowerCase();

const terminals: Terminal[] = [];

/** A home whose broker keeps everything in NATS. */
async function openHome(url: string, more = ""): Promise<Terminal> {
  const terminal = await Terminal.open();
  terminals.push(terminal);
  writeFileSync(join(terminal.home, "broker.toml"), `store = "${url}"\n${more}`);
  return terminal;
}

beforeEach(() => void terminals.splice(0));
afterEach(async () => {
  for (const terminal of terminals) await terminal[Symbol.asyncDispose]();
});

describe.skipIf(isNatsMissing())("brokers over NATS", () => {
  test("serve one another's peers, of two homes that share nothing else", async () => {
    const { url } = await startServer();
    const [one, other] = [await openHome(url), await openHome(url)];
    expect((await other.run("read")).code).toBe(0);
    const reader = other.start(["read", "--wait"]);
    // The person here is another peer, and gets another name.
    expect((await one.run("read")).stdout).toBe(`No messages for ${me}-2.\n`);
    await eventually(async () => {
      const { stdout } = await one.run("peers");
      expect(stdout).toMatch(new RegExp(`● +${me} `));
    });
    expect(await one.run("send", me, "hello over there")).toMatchObject({ code: 0 });
    expect(await reader.line("hello over there")).toContain("hello over there");
    await reader.kill();
    const { stdout } = await one.run("log");
    expect(stdout).toContain("hello over there");
    expect(await one.brokerPid()).not.toBe(await other.brokerPid());
  });

  test("let a machine in that joined another one, where they have one authority", async () => {
    const { url } = await startServer();
    const [one, other] = [await openHome(url), await openHome(url)];
    const [first, second] = [
      `127.0.0.1:${await lastingPort()}`,
      `127.0.0.1:${await lastingPort()}`,
    ];
    const { stdout: line } = await share(one, first);
    // The authority of the first, made by it, before the other makes one of its own.
    mkdirSync(join(other.home, "tls"), { mode: 0o700 });
    copyFileSync(join(one.home, "tls/ca.pem"), join(other.home, "tls/ca.pem"));
    expect(await share(other, second)).toMatchObject({ code: 0 });

    const machine = await Terminal.open();
    terminals.unshift(machine);
    const [, invitation = ""] = /peerline join '([^']+)'/.exec(line) ?? [];
    expect(await machine.run("join", invitation)).toMatchObject({ code: 0 });
    const env = { ...machine.environment, PEERLINE_BROKER: `tls:${first},tls:${second}` };
    const read = () => machine.start(["read"], "", env).ended;
    expect(await read()).toMatchObject({ code: 0 });
    expect(await one.run("stop")).toMatchObject({ code: 0 });
    await eventually(async () => expect(await read()).toMatchObject({ code: 0, stderr: "" }));
    // What one revokes, none lets in.
    const { stdout } = await other.run("machines");
    const [, name = ""] = /^(\S+) .*agent/m.exec(stdout) ?? [];
    expect(await other.run("machines", "revoke", name)).toMatchObject({ code: 0 });
    await eventually(async () =>
      expect((await read()).stderr).toContain("does not let this machine in"),
    );
  });

  test("say in status and doctor which servers there are, and how they are", async () => {
    const cluster = await startCluster();
    const home = await openHome(cluster.urls.join(","));
    expect((await home.run("read")).code).toBe(0);
    const { stdout } = await home.run("status");
    expect(stdout).toContain("nats, survives the loss of fewer than half of the servers");
    expect(stdout).toMatch(/servers\s+n1/);
    expect(stdout).toContain("leads peerline-mail");
    expect(stdout).toContain("connected here");
    expect(stdout.replaceAll(/\s+/g, " ")).toContain("may be passed by what other brokers store");
    const { info } = (await home.json("status")) as { info: { store: { servers: object[] } } };
    expect(info.store.servers).toMatchObject([{ name: "n1" }, { name: "n2" }, { name: "n3" }]);
    const findings = await doctor(home);
    expect(findings).toContainEqual(expect.objectContaining({ id: "engine", severity: "ok" }));
    expect(findings).toContainEqual(expect.objectContaining({ id: "engine-durability" }));
  });

  test("outlive an outage of the engine: sends fail by name, all else goes on, and mail comes again", async () => {
    const server = await startServer();
    const home = await openHome(server.url);
    expect((await home.run("read")).code).toBe(0);
    expect(await home.run("send", me, "before")).toMatchObject({ code: 0 });
    const pid = await home.brokerPid();
    await server.kill();

    await eventually(async () => {
      const { code, stderr } = await home.run("send", me, "meanwhile");
      expect([code, stderr]).toEqual([1, expect.stringContaining("NATS")]);
    });
    const status = await home.run("status");
    expect(status.code).toBe(0);
    expect(status.stdout).toContain("takes no messages");
    expect((await doctor(home)).find(({ id }) => id === "store-closed")).toMatchObject({
      severity: "problem",
    });

    await server.restart();
    await eventually(async () => {
      expect(await home.run("send", me, "after")).toMatchObject({ code: 0 });
    });
    expect(await home.brokerPid()).toBe(pid);
    const log = readFileSync(join(home.home, "broker.log"), "utf8");
    expect(log).toContain("lost NATS: it takes no messages");
    expect(log).toContain("connected to NATS");
  });

  test.each<[string, () => Promise<[url: string, more?: string]>, RegExp]>([
    [
      "nothing answers",
      async () => [`nats://127.0.0.1:${await lastingPort()}`],
      /No NATS server can be used at 127\.0\.0\.1:\d+ .*start one, or look at store/,
    ],
    [
      "it has no JetStream",
      async () => [(await startServer({ jetstream: false })).url],
      /JetStream is not enabled for this account of NATS: enable it/,
    ],
    [
      "it does not let the broker in",
      async () => {
        const config = 'authorization { token: "right" }';
        return [(await startServer({ config })).url];
      },
      /does not let this broker in: correct .* in broker\.toml/,
    ],
    ...(isNatsMissing("2.9")
      ? []
      : ([
          [
            "it is too old",
            async () => [(await startServer({ version: "2.9" })).url],
            /has version 2\.9\.10, and older ones than 2\.10\.23 lose streams: update it/,
          ],
        ] as [string, () => Promise<[string]>, RegExp][])),
  ])(
    "do not start where %s, and say so with what helps",
    async (_why, make, words) => {
      const [url, more] = await make();
      const home = await openHome(url, more);
      const started = await home.run("broker");
      expect(started).toMatchObject({ code: brokerExit.storeUnreachable });
      expect(started.stderr).toMatch(words);
      const told = (await doctor(home)).find(({ id }) => id === "broker-start-failed");
      expect(told?.seen).toMatch(words);
    },
    180_000,
  );

  test("tell who has them start why they do not", async () => {
    const home = await openHome(
      (await startServer({ config: 'authorization { token: "x" }' })).url,
    );
    const sent = await home.run("send", "nobody", "hello");
    expect([sent.code, sent.stderr]).toEqual([1, expect.stringContaining("let this broker in")]);
  });
});

function share(home: Terminal, address: string): Promise<Ended> {
  return home.run("share", "--address", address, "--listen", address);
}

interface Told {
  readonly id: string;
  readonly severity: string;
  readonly seen: string;
}

async function doctor(terminal: Terminal): Promise<Told[]> {
  const { stdout } = await terminal.run("doctor", "--json");
  return (JSON.parse(stdout) as { findings: Told[] }).findings;
}
