import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { brokerExit } from "../../src/endpoint/start-report.js";
import { temporaryDirectory } from "../endpoint/temporary-directory.js";
import { program, run } from "../support/program.js";
import { BrokerProcess } from "./broker-process.js";

const pageBytes = 4096;

test("a broker whose database has an unreadable page serves the rest, and keeps the file", async () => {
  const { home, path } = await homeWithPeers();
  // The head of a page that is not the first.
  const bytes = readFileSync(path).fill(0xff, pageBytes, pageBytes + 8);
  writeFileSync(path, bytes);
  const broker = await BrokerProcess.start(home);
  const client = await broker.join("carol");
  const { peers } = await client.listPeers({});
  expect(peers.map(({ name }) => name).toSorted()).toEqual(["alice", "bob", "carol"]);
  const kept = readdirSync(home).find((name) => name.startsWith("peerline.db.damaged-")) ?? "";
  expect(readFileSync(join(home, kept)).equals(bytes)).toBe(true);
  const { store } = await client.getServerInfo({});
  expect(store?.damages).toEqual([expect.stringMatching(/Salvaged were .* 2 peers.* kept as /)]);
  expect(store?.damages[0]).toContain(kept);
  expect(readFileSync(join(home, "broker.log"), "utf8")).toContain("the store found damage");
  expect(await broker.end("SIGTERM")).toBe(brokerExit.done);
});

test("a broker of whose database nothing is left names it and the fix, and leaves it as it is", async () => {
  const { home, path } = await homeWithPeers();
  const bytes = readFileSync(path).fill(0xff);
  writeFileSync(path, bytes);
  const { code, stderr } = await run(process.execPath, [program, "broker"], {
    PATH: process.env["PATH"],
    PEERLINE_HOME: home,
  });
  expect(code).toBe(brokerExit.storeDamaged);
  expect(stderr.trim().split("\n")).toHaveLength(1);
  for (const words of [path, "damaged", "backup"]) expect(stderr).toContain(words);
  expect(readFileSync(path).equals(bytes)).toBe(true);
});

/** A home whose broker has ended, and the path of its database. */
async function homeWithPeers(): Promise<{ home: string; path: string }> {
  const home = temporaryDirectory();
  const broker = await BrokerProcess.start(home);
  for (const name of ["alice", "bob"]) await broker.join(name);
  expect(await broker.end("SIGTERM")).toBe(brokerExit.done);
  return { home, path: join(home, "peerline.db") };
}
