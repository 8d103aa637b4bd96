import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readBrokerSettings } from "../../src/endpoint/broker-settings.js";
import { Terminal } from "./terminal.js";

test("config prints every setting, its value, and what the broker that runs has not read yet", async () => {
  await using terminal = await Terminal.open();
  const file = join(terminal.home, "broker.toml");
  const before = await terminal.run("config");
  expect(before).toMatchObject({ code: 0, stderr: "" });
  expect(before.stdout).toContain(
    `# ${file}\n\nstore = "sqlite"\n\n[limits]\nprogram_send_burst =`,
  );
  expect(before.stdout).toMatch(/\[retention\]\nclosed_messages_days = +30 /);

  await terminal.run("read");
  await writeFile(file, "[limits]\nprogram_send_burst = 5000\n");
  const edited = await terminal.run("config");
  expect(edited.stdout).toMatch(/program_send_burst = +5000 +# usually 600; messages/);
  expect(edited.stdout).toMatch(/has not read this yet \(program_send_burst\): run/);
  expect(await terminal.json("config")).toMatchObject({
    path: file,
    settings: expect.arrayContaining([
      expect.objectContaining({
        name: "program_send_burst",
        table: "limits",
        value: 5000,
        usual: 600,
        inForce: 600,
      }),
    ]),
  });
  const doctor = await terminal.run("doctor");
  expect(doctor.stdout).toContain("has not read it yet: program_send_burst");
  // What it prints may be the file.
  await writeFile(file, edited.stdout);
  expect((await readBrokerSettings(file)).program_send_burst).toBe(5000);

  await terminal.run("stop");
  await terminal.run("read");
  const read = await terminal.run("config");
  expect(read.stdout).not.toContain("has not read");
  expect((await terminal.run("doctor")).stdout).toContain(
    "1 setting other than usual: program_send_burst",
  );
});

test("settings that cannot be used start no broker, and are named wherever one is asked for", async () => {
  await using terminal = await Terminal.open();
  await writeFile(join(terminal.home, "broker.toml"), "[limits]\npeers = 'many'\n");
  const words = 'broker.toml: limits.peers is "many": use a whole number from 16 to 100000.';
  for (const command of [["config"], ["read"], ["broker"]]) {
    const { code, stderr } = await terminal.run(...command);
    expect({ command, code, stderr }).toEqual({
      command,
      code: 1,
      stderr: expect.stringContaining(words),
    });
  }
  const doctor = await terminal.run("doctor");
  expect(doctor.code).toBe(1);
  expect(doctor.stdout.replaceAll(/\s+/g, " ")).toContain(words);

  await writeFile(join(terminal.home, "broker.toml"), "");
  await expect.poll(async () => (await terminal.run("read")).code).toBe(0);
});

test("config prints how NATS is reached without reading a secret, and what it prints may be the file", async () => {
  await using terminal = await Terminal.open();
  const file = join(terminal.home, "broker.toml");
  await terminal.run("read");
  await writeFile(
    file,
    `store = "tls://nats-1.example,nats-2.example:5222,[fd00::1]:4222"
[nats]
user = "team"
password_file = "/etc/peerline/not there"
tls_ca = "/etc/peerline/ca.pem"
`.replaceAll(/(?<=[",])(nats-2|\[fd)/g, "nats://$1"),
  );
  const { code, stdout } = await terminal.run("config");
  expect(code).toBe(0);
  expect(stdout).toContain(`
store = "tls://nats-1.example:4222,tls://nats-2.example:5222,tls://[fd00::1]:4222"

[nats]
prefix = "peerline"
replicas = 3
user = "team"
password_file = "/etc/peerline/not there"
tls_ca = "/etc/peerline/ca.pem"

[limits]
`);
  expect(stdout).toContain("has not read this yet (store): run `peerline stop`");
  const before = await terminal.json("config");
  expect(before).toMatchObject({
    store: { value: expect.stringMatching(/^tls:/), inForce: "sqlite" },
    nats: { prefix: "peerline", replicas: 3, user: "team" },
  });
  const missing = await terminal.run("doctor");
  expect(missing.stdout.replaceAll(/\s+/g, " ")).toContain(
    "/etc/peerline/ca.pem is not there, or is no file.",
  );
  expect(missing.code).toBe(1);
  await writeFile(file, stdout);
  expect(await terminal.json("config")).toEqual(before);
  await writeFile(file, 'store = "nats://nats.example"\n');
  expect((await terminal.run("doctor")).stdout).toContain("has not read it yet: store");
});
