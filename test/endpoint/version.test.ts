import { expect, test } from "vitest";
import { otherVersion, VERSION } from "../../src/endpoint/version.js";

const own = { config: { ownsBroker: true, joined: undefined }, self: "peerline" };
const elsewhere = { config: { ownsBroker: false, joined: undefined }, self: "peerline" };
const endpoint = { kind: "tls", host: "laptop.local", port: 7899 } as const;
const machine = {
  endpoint,
  ca: "",
  machine: "desktop",
  scope: "agent",
  madeHome: false,
  credential: "",
};
const joined = { config: { ownsBroker: false, joined: machine }, self: "peerline" };
const [major = 0, minor = 0] = VERSION.split(".").map(Number);

test("a broker of this version is not worth a word", () => {
  expect(otherVersion(VERSION, own)).toBeUndefined();
});

test.each(["0.0.9", `${VERSION}-rc.1`, "0.0.10000", "", "nonsense"])(
  "an older one, %j, is to be stopped",
  (version) => {
    expect(otherVersion(version, own)).toEqual({
      seen: `the broker that runs is version ${version}, and this is ${VERSION}`,
      fix: "peerline stop (the next call of an agent starts the installed one)",
      command: "peerline stop",
    });
    expect(otherVersion(version, elsewhere)?.fix).toContain("in its place");
    expect(otherVersion(version, elsewhere)?.command).toBeUndefined();
    const { fix, command } = otherVersion(version, joined) ?? {};
    expect(fix).toMatch(/^On its machine, laptop\.local, update .* `peerline stop`/);
    expect(command, "stopping it is refused from here").toBeUndefined();
  },
);

test.each([
  `${major}.${minor + 1}.0`,
  `${major}.${minor + 10}.0`,
  `${major + 1}.0.0`,
  `${major + 9}.0.0-rc.1`,
])("beside a newer one, %j, this program is to be updated", (version) => {
  for (const options of [own, elsewhere, joined]) {
    expect(otherVersion(version, options)?.fix).toContain("Update this one");
  }
});

test("what a broker calls its version is shown on one line, and not at any length", () => {
  const seen = otherVersion(`1\u001B[2J\n${"9".repeat(10_000)}`, own)?.seen ?? "";
  expect(seen).toMatch(/^the broker that runs is version 1 9+, and this is /);
  expect(seen.length).toBeLessThan(120);
});
