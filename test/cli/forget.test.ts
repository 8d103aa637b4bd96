import { expect, test } from "vitest";
import { Terminal } from "./terminal.js";

test("says what goes, wants a yes, and removes the peer with its mail; the senders are told", async () => {
  await using terminal = await Terminal.open();
  const person = (await terminal.run("read")).stdout.replace(/^No messages for (.*)\.\n$/, "$1");
  await terminal.run("send", person, "a note to self");

  const asked = await terminal.run("forget", person);
  expect(asked.code).toBe(2);
  expect(asked.stderr).toContain(`This removes ${person} (`);
  expect(asked.stderr).toContain("1 message that nobody has read will end undelivered.");
  expect(asked.stderr).toContain("Nothing was removed: there is nobody to ask. Add --yes");
  expect((await terminal.run("peers")).stdout).toContain(person);

  const done = await terminal.run("forget", person, "--yes");
  expect(done).toMatchObject({ code: 0, stderr: "" });
  expect(done.stdout).toBe(
    `Forgot ${person}. 1 message ended undelivered: the senders are told.\n`,
  );
  expect((await terminal.run("peers")).stdout).toBe("No peer is known yet.\n");
  expect((await terminal.run("log")).stdout).toContain("a note to self");
});

test("asks also where the peer is named by the end of its id", async () => {
  await using terminal = await Terminal.open();
  await terminal.run("read");
  const { peers } = (await terminal.json("peers")) as { peers: { peerId: string }[] };
  const asked = await terminal.run("forget", peers[0]?.peerId.slice(-8) ?? "");
  expect(asked.code).toBe(2);
  expect(asked.stderr).toContain("Nothing was removed: there is nobody to ask. Add --yes");
});

test("leaves a peer that an agent acts for, unless told otherwise, and says how", async () => {
  await using terminal = await Terminal.open();
  const reader = terminal.start(["read", "--wait", "--json"]);
  await expect
    .poll(async () => (await terminal.run("peers", "--online")).stdout)
    .toContain("a person");
  const { peers } = (await terminal.json("peers")) as { peers: { name: string }[] };
  const name = peers[0]?.name ?? "";
  const refused = await terminal.run("forget", name, "--yes");
  expect(refused.code).toBe(2);
  expect(refused.stderr).toContain("--even-if-live");
  expect((await terminal.run("forget", name, "--yes", "--even-if-live")).code).toBe(0);
  await reader.kill();
});

test("a name that nobody has is told with its neighbours", async () => {
  await using terminal = await Terminal.open();
  const person = (await terminal.run("read")).stdout.replace(/^No messages for (.*)\.\n$/, "$1");
  const { code, stderr } = await terminal.run("forget", `${person}x`, "--yes");
  expect(code).toBe(1);
  expect(stderr).toContain(`did you mean ${person}?`);
});
