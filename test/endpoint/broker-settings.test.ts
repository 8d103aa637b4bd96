import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { usualSettings } from "../../src/contract/settings.js";
import { readBrokerSettings } from "../../src/endpoint/broker-settings.js";
import { EndpointError } from "../../src/endpoint/endpoint-error.js";
import { temporaryDirectory } from "./temporary-directory.js";

const newFile = (): string => join(temporaryDirectory(), "broker.toml");

test("without a file every setting has its usual value", async () => {
  expect(await readBrokerSettings(newFile())).toEqual(usualSettings);
});

test("what the file says is set, and all else is as usual", async () => {
  const file = newFile();
  writeFileSync(
    file,
    "\uFEFF# for the build\n[limits]\nprogram_sends_per_second = 500\n[retention]\nclosed_messages_days = 7\n",
  );
  expect(await readBrokerSettings(file)).toEqual({
    ...usualSettings,
    program_sends_per_second: 500,
    closed_messages_days: 7,
  });
});

test.each([
  ["[limits", "is no TOML (line 1, column "],
  [
    "peers = 5",
    "peers is no table of settings: use [limits], [retention], [nats] and [share]; `store` stands above them",
  ],
  ["limits = 5", "limits is no table of settings"],
  ["[[limits]]\npeers = 50", "limits is no table of settings"],
  ['[limits]\n"\\u001b[31mred" = 5', "limits.red is no setting"],
  ["[limits]\npeer = 5", "limits.peer is no setting: use one of program_send_burst"],
  ["[limits]\nclosed_messages_days = 5", "limits.closed_messages_days is no setting"],
  ['[limits]\nstore = "sqlite"', "limits.store is no setting: write it above the first table"],
  ["store = 5", 'store is 5: use "sqlite", "nats://HOST:4222"'],
  ["[limits]\nsend_burst = 5", "limits.send_burst is no setting"],
  ["[limits]\n__proto__ = 5", "limits.__proto__ is no setting"],
  ["[limits]\npeers = '5'", 'limits.peers is "5": use a whole number from 16 to 100000'],
  ["[limits]\npeers = 1.5", "limits.peers is 1.5: use a whole number"],
  ["[limits]\npeers = nan", "limits.peers is NaN: use a whole number"],
  ["[limits]\npeers = 5", "limits.peers is 5: use a whole number"],
  ["[limits]\npeers = -1", "limits.peers is -1: use a whole number"],
  ["[limits]\npeers = 9223372036854775807", "limits.peers is 9223372036854775807: use a whole"],
  ["[limits]\npeers = [50]", "limits.peers is a list: use a whole number"],
  [`[limits]\npeers${".a".repeat(15_000)} = 1`, "limits.peers is a table or a time: use a whole"],
  ["[limits]\nprogram_send_burst = 255", "use a whole number from 256 to 1000000"],
  ["share = 5", "share is no table"],
  ['[share]\nlisten = "0.0.0.0:7899"', 'share.address is missing: use "HOST:PORT"'],
  [
    '[share]\nlisten = "laptop:7899"\naddress = "a:1"',
    'share.listen is "laptop:7899": use "IP:PORT"',
  ],
  ['[share]\nlisten = "0.0.0.0:0"\naddress = "a:1"', 'share.listen is "0.0.0.0:0": use "IP:PORT"'],
  ["[share]\nport = 1", "share.port is no setting: use one of listen, address"],
  [`# ${"x".repeat(65 * 1024)}`, "has more than 65536 bytes"],
])("%j is refused by its place", async (text, words) => {
  const file = newFile();
  writeFileSync(file, text);
  const error = await readBrokerSettings(file).catch((cause: unknown) => cause);
  expect(error).toBeInstanceOf(EndpointError);
  expect(error).toMatchObject({
    code: "CONFIG_INVALID",
    message: expect.stringContaining(file),
  });
  expect((error as EndpointError).message).toContain(words);
});

test("what is no file is refused, and nobody waits for it", async () => {
  const file = newFile();
  mkdirSync(file);
  await expect(readBrokerSettings(file)).rejects.toThrow("is no regular file. Move it away.");
  const device = newFile();
  symlinkSync("/dev/zero", device);
  await expect(readBrokerSettings(device)).rejects.toThrow("is no regular file. Move it away.");
});
