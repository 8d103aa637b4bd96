import { mkdirSync, readdirSync, statSync, truncateSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openHome } from "../../src/endpoint/home.js";
import {
  createSecret,
  listSecrets,
  openOperatorToken,
  openPersonSecret,
  readOperatorToken,
  removeSecret,
} from "../../src/endpoint/secrets.js";
import { obstacles, obstruct } from "../support/obstacles.js";
import { temporaryDirectory } from "./temporary-directory.js";

test("a home without peers has no secrets", async () => {
  expect(await listSecrets(openHome(temporaryDirectory()))).toEqual([]);
});

test("keeps each peer's secret in a file that no one else can read", async () => {
  const home = openHome(temporaryDirectory());
  const first = await createSecret(home);
  const second = await createSecret(home);
  expect(first.secret).toMatch(/^[A-Za-z0-9_-]{43}$/);
  expect(second.secret).not.toBe(first.secret);
  expect(statSync(first.path).mode & 0o777).toBe(0o600);
  expect(statSync(home.peersPath).mode & 0o777).toBe(0o700);
  expect(await listSecrets(home)).toHaveLength(2);
  expect(readdirSync(home.peersPath)).toHaveLength(2);
});

test("lists the newest secret first", async () => {
  const home = openHome(temporaryDirectory());
  const older = await createSecret(home);
  const newer = await createSecret(home);
  utimesSync(older.path, 1000, 1000);
  expect(await listSecrets(home)).toEqual([newer, older]);
});

test("removes a secret, and again", async () => {
  const home = openHome(temporaryDirectory());
  const secret = await createSecret(home);
  await removeSecret(secret);
  await removeSecret(secret);
  expect(await listSecrets(home)).toEqual([]);
});

test("passes over files that hold no whole secret", async () => {
  const home = openHome(temporaryDirectory());
  const whole = await createSecret(home);
  const cut = await createSecret(home);
  truncateSync(cut.path, 40);
  writeFileSync(join(home.peersPath, "notes.txt"), whole.secret);
  mkdirSync(join(home.peersPath, "directory.secret"));
  expect(await listSecrets(home)).toEqual([whole]);
});

test.each(obstacles)(
  "passes over %s in the place of a secret, and names it in that of the token",
  async (_, put) => {
    const home = openHome(temporaryDirectory());
    const whole = await createSecret(home);
    const other = await createSecret(home);
    obstruct(other.path, put, other.secret);
    obstruct(home.operatorTokenPath, put, whole.secret);
    expect(await listSecrets(home)).toEqual([whole]);
    await expect(readOperatorToken(home)).rejects.toMatchObject({
      code: "HOME_UNUSABLE",
      message: expect.stringContaining(
        `${home.operatorTokenPath} holds no whole token. Move it away`,
      ),
    });
  },
);

test("the person's secret is made once, whoever comes first, and is no peer's", async () => {
  const home = openHome(temporaryDirectory());
  const all = await Promise.all(Array.from({ length: 20 }, () => openPersonSecret(home)));
  expect(new Set(all).size).toBe(1);
  expect(await openPersonSecret(home)).toBe(all[0]);
  expect(await listSecrets(home)).toEqual([]);
  expect(readdirSync(home.path)).toEqual(["person.secret"]);
});

test("the operator token is unknown until a broker has made it", async () => {
  const home = openHome(temporaryDirectory());
  expect(await readOperatorToken(home)).toBeUndefined();
  const token = await openOperatorToken(home);
  expect(await readOperatorToken(home)).toBe(token);
  expect(statSync(home.operatorTokenPath).mode & 0o777).toBe(0o600);
});

test("a damaged token is refused with a sentence, not replaced", async () => {
  const home = openHome(temporaryDirectory());
  await openOperatorToken(home);
  truncateSync(home.operatorTokenPath, 10);
  await expect(openOperatorToken(home)).rejects.toMatchObject({
    code: "HOME_UNUSABLE",
    message: expect.stringContaining("Move it away"),
  });
});
