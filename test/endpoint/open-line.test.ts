import { readdirSync, statSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { PeerKind } from "../../gen/peerline/v1/peer_pb.js";
import { lookIntoHome } from "../../src/endpoint/home.js";
import { connect } from "../../src/endpoint/open-line.js";
import { program } from "../support/program.js";
import { eventually } from "../support/test-broker.js";

let home: string;

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), "pl-"));
  vi.stubEnv("PEERLINE_HOME", home);
  vi.stubEnv("PEERLINE_BROKER", "");
});

afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(home, { recursive: true, force: true, maxRetries: 10 });
});

test("a program starts the broker, and is the same peer again, with a secret of its own in the home", async () => {
  const first = await connect({ name: "ci" }, program);
  const { peer } = first;
  expect(peer).toMatchObject({ name: "ci", kind: PeerKind.PROGRAM });
  await first.close();

  const again = await connect({ name: "ci" }, program);
  try {
    expect(again.peer?.peerId).toBe(peer?.peerId);
    expect(readdirSync(join(home, "peers"))).toEqual(["ci.identity"]);
    expect(statSync(join(home, "peers/ci.identity")).mode & 0o777).toBe(0o600);
    expect(lookIntoHome(home)?.others).toEqual([]);

    // With another secret it is another peer.
    const identity = join(home, "..", `${home.split("/").at(-1)}.identity`);
    const other = await connect({ name: "ci", identity }, program);
    expect(other.peer?.name).toBe("ci-2");
    await other.close();
    await rm(identity);
  } finally {
    const { pid } = await again.call((client, options) => client.getServerInfo({}, options));
    await again.close();
    process.kill(pid, "SIGTERM");
    // It writes to its home until then.
    await eventually(() => expect(() => process.kill(pid, 0)).toThrow("ESRCH"));
  }
});

test("what cannot be used is refused at once, and named", async () => {
  await expect(connect({ name: "system" }, program)).rejects.toMatchObject({
    code: "CONFIG_INVALID",
    message: expect.stringMatching(/^`name` is reserved/),
  });
  await expect(connect({ name: "日本" }, program)).rejects.toThrow(/^`name` /);
  // Two programs whose names differ are never one peer.
  for (const name of ["c++", "CI", "a-name-of-more-than-forty-characters-east"]) {
    await expect(connect({ name }, program), name).rejects.toThrow(
      /^`name` ".*" is no name .* would do/,
    );
  }
  for (const [path, problem] of [
    ["", "is empty"],
    [home, "is a folder"],
  ] as const) {
    const refused = connect({ name: "ci", identity: path }, program);
    await expect(refused).rejects.toThrow(
      `\`identity\` ${path === "" ? "" : `${path} `}${problem}`,
    );
  }
  const identity = join(home, "missing", "ci.identity");
  await expect(connect({ name: "ci", identity }, program)).rejects.toMatchObject({
    code: "CONFIG_INVALID",
    message: expect.stringMatching(/^`identity` .*: make it first\.$/),
  });
  vi.stubEnv("PEERLINE_BROKER", `unix:${home}/nobody.sock`);
  await expect(connect({ name: "ci" }, program)).rejects.toMatchObject({
    code: "UNREACHABLE",
    cause: { code: "BROKER_UNREACHABLE" },
  });
});

test("a signal ends the attempt", async () => {
  vi.stubEnv("PEERLINE_BROKER", `unix:${home}/nobody.sock`);
  const given = AbortSignal.abort(new Error("no time"));
  await expect(connect({ name: "ci", signal: given }, program)).rejects.toThrow("no time");
});
