import { chmodSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { initialize, initialized, RawAgent, toolCall } from "../mcp/raw-agent.js";
import { type BrokerHome, program, run, startBrokerHome } from "../support/program.js";
import { cannotIntrude, intrude } from "./intruder.js";
import { Witness } from "./witness.js";

let home: BrokerHome;
let agent: RawAgent;
let witness: Witness;
let files: string[];
let brokerPid: number;

beforeAll(async () => {
  home = await startBrokerHome();
  witness = await Witness.join(home.socket);
  await witness.send();
  brokerPid = (await witness.client.getServerInfo({})).pid;
  // A home in use: with an agent's secret and a person's.
  agent = new RawAgent(home.path);
  agent.write(initialize, initialized, toolCall(2, "list_peers"));
  await agent.answer(2);
  const sent = await run(process.execPath, [program, "send", "witness", "hello"], home.environment);
  expect(sent.code).toBe(0);
  const names = readdirSync(home.path, { recursive: true, encoding: "utf8" });
  files = names.map((name) => join(home.path, name)).filter(isFile);
});
afterAll(async () => {
  witness[Symbol.dispose]();
  await agent[Symbol.asyncDispose]();
  await home[Symbol.asyncDispose]();
});

describe(`a process of another user${cannotIntrude === undefined ? "" : ` (skipped: ${cannotIntrude})`}`, () => {
  const intrusion = test.skipIf(cannotIntrude !== undefined);

  intrusion("can neither connect to a broker nor read any file of its home", async () => {
    const names = files.map((path) => path.slice(home.path.length + 1));
    expect(names).toContain("operator.token");
    expect(names).toContain("person.secret");
    expect(names).toContain("peerline.db");
    expect(names).toContain("broker.log");
    expect(names.filter((name) => /^peers\/.+\.secret$/.test(name))).not.toEqual([]);
    const outcomes = await tryAll();
    expect([...new Set(Object.values(outcomes))].toSorted()).toEqual(["EACCES", "EPERM"]);
    expect(outcomes[`kill ${brokerPid}`]).toBe("EPERM");
    expect(outcomes[`connect ${home.socket}`]).toBe("EACCES");
    await witness.send();
    await witness.expectAllKept();
  });

  intrusion(
    "cannot even where the home's own door was left open: each file is closed",
    async () => {
      const folders = [home.path, join(home.path, "peers")];
      for (const folder of folders) chmodSync(folder, 0o755);
      try {
        const outcomes = await tryAll();
        for (const path of files)
          expect([path, outcomes[`read ${path}`]]).toEqual([path, "EACCES"]);
        expect(outcomes[`connect ${home.socket}`]).toBe("EACCES");
        expect(outcomes[`create ${join(home.path, "new")}`]).toBe("EACCES");
        // The intruder does get what is open to it: what it was refused is not for want of trying.
        expect(outcomes[`list ${home.path}`]).toBe("allowed");
        chmodSync(home.socket, 0o666);
        expect((await tryAll())[`connect ${home.socket}`]).toBe("allowed");
      } finally {
        chmodSync(home.socket, 0o600);
        for (const folder of folders) chmodSync(folder, 0o700);
      }
    },
  );

  intrusion("sees no environment of the broker", async () => {
    const read = [`/proc/${brokerPid}/environ`];
    const outcomes = await intrude({
      read,
      list: [`/proc/${brokerPid}/fd`],
      create: [],
      connect: [],
      kill: [],
    });
    expect(Object.values(outcomes)).toEqual(["EACCES", "EACCES"]);
  });
});

/** A draft that was listed may have got its name by now. */
function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() === true;
}

async function tryAll(): Promise<Record<string, string>> {
  return await intrude({
    read: files,
    list: [home.path, join(home.path, "peers")],
    create: [join(home.path, "new")],
    connect: [home.socket],
    kill: [brokerPid],
  });
}
