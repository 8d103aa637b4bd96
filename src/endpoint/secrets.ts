import { randomBytes, randomUUID } from "node:crypto";
import { existsSync, lstatSync } from "node:fs";
import { readdir, stat, unlink } from "node:fs/promises";
import { join } from "node:path";
import { sleep } from "../clock.js";
import { syncFolder, writeDurably } from "../durable-file.js";
import { EndpointError, errnoOf, explainStorage } from "./endpoint-error.js";
import { makePath, type Home } from "./home.js";
import { maxSecretFileBytes, maxSecrets, secretLookMs, secretLooks } from "./limits.js";
import { readRegularFile } from "./regular-file.js";

/** Proof of one peer's identity, in a file of its own. */
export interface PeerSecret {
  readonly secret: string;
  readonly path: string;
}

/** The secrets of this home's peers, newest first, without the person's; at most `maxSecrets`. */
export async function listSecrets(home: Home): Promise<PeerSecret[]> {
  const paths = await listSecretPaths(home);
  const secrets: PeerSecret[] = [];
  for (const path of paths.slice(0, maxSecrets)) {
    const secret = await readSecretFile(path);
    if (secret !== undefined) secrets.push({ secret, path });
  }
  return secrets;
}

/** Makes a secret for a new peer. It is on the disk before it is returned. */
export async function createSecret(home: Home): Promise<PeerSecret> {
  await makePeersFolder(home);
  const path = join(home.peersPath, `${randomUUID()}.secret`);
  return { secret: await createSecretFile(path), path };
}

/** Removes a secret that no peer was made with. Removing it again is no error. */
export async function removeSecret(secret: PeerSecret): Promise<void> {
  await unlink(secret.path).catch(ignoreMissing);
}

/** The secret of the program of this name, made on first use. No agent returns as its peer. */
export async function openProgramSecret(home: Home, name: string): Promise<string> {
  await makePeersFolder(home);
  return openSecretFile(join(home.peersPath, `${name}.identity`));
}

/** The secret of the person at the terminal, made on first use. */
export async function openPersonSecret(home: Home): Promise<string> {
  return openSecretFile(home.personSecretPath);
}

/** The token that sees everything and may stop the broker. Only the broker makes it. */
export async function openOperatorToken(home: Home): Promise<string> {
  return openSecretFile(home.operatorTokenPath);
}

/** The operator token; undefined where no broker has run yet. HOME_UNUSABLE for a file without one. */
export async function readOperatorToken({
  operatorTokenPath: path,
}: Home): Promise<string | undefined> {
  const token = await readSecretFile(path);
  const isThere = lstatSync(path, { throwIfNoEntry: false }) !== undefined;
  if (token !== undefined || !isThere) return token;
  throw new EndpointError(
    "HOME_UNUSABLE",
    `${path} holds no whole token. Move it away: the next broker makes another.`,
  );
}

async function makePeersFolder({ path, peersPath }: Home): Promise<void> {
  if (existsSync(peersPath)) return;
  try {
    makePath(peersPath);
    await syncFolder(path);
  } catch (error) {
    throw explainStorage(error, peersPath);
  }
}

async function listSecretPaths(home: Home): Promise<string[]> {
  const names = await readdir(home.peersPath).catch(ignoreMissing);
  const files: { path: string; changedMs: number }[] = [];
  for (const name of names ?? []) {
    if (!name.endsWith(".secret")) continue;
    const path = join(home.peersPath, name);
    // What cannot be looked at is no secret.
    const stats = await stat(path).catch(() => undefined);
    if (stats?.isFile()) files.push({ path, changedMs: stats.mtimeMs });
  }
  return files.toSorted((a, b) => b.changedMs - a.changedMs).map((file) => file.path);
}

function ignoreMissing(error: unknown): undefined {
  if (errnoOf(error) !== "ENOENT") throw error;
  return undefined;
}

/**
 * The secret in a file, made on first use. Processes that come at once all get the same one, and a
 * secret that was returned survives the loss of power.
 */
export async function openSecretFile(path: string): Promise<string> {
  const present = await readSecretFile(path);
  if (present !== undefined) return present;
  try {
    return await createSecretFile(path);
  } catch (cause) {
    if (errnoOf(cause) !== "EEXIST") throw cause;
    for (let look = 1; look <= secretLooks; look += 1) {
      const winner = await readSecretFile(path);
      if (winner !== undefined) return winner;
      // Where there are no hard links its name comes before its text.
      await sleep(secretLookMs);
    }
    throw new EndpointError("HOME_UNUSABLE", `${path} is damaged. Move it away.`, { cause });
  }
}

/** The secret in a file; undefined where there is no file, or no whole secret in it. */
export async function readSecretFile(path: string): Promise<string | undefined> {
  const text = (await readRegularFile(path, maxSecretFileBytes))?.bytes?.toString().trim() ?? "";
  return secretPattern.test(text) ? text : undefined;
}

/** Makes a new secret and its file, at once and durably; EEXIST when there is a file already. */
export async function createSecretFile(path: string): Promise<string> {
  const secret = randomBytes(32).toString("base64url");
  try {
    await writeDurably(path, `${secret}\n`);
  } catch (error) {
    throw explainStorage(error, path);
  }
  return secret;
}

// 32 bytes in base64url: a file that was cut short does not fit.
const secretPattern = /^[A-Za-z0-9_-]{43}$/;
