import { randomBytes, randomUUID } from "node:crypto";
import { constants } from "node:fs";
import { open, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { sleep } from "../clock.js";
import { placeFile } from "./durable-file.js";
import { EndpointError, errnoOf, explainStorage } from "./endpoint-error.js";
import { maxSecretFileBytes, secretLookMs, secretLooks } from "./limits.js";
import { readRegularFile } from "./regular-file.js";

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
  const draft = `${path}.${randomUUID()}.new`;
  try {
    await writeDurably(draft, `${secret}\n`);
    await placeFile(draft, path);
  } catch (error) {
    await rm(draft, { force: true }).catch(() => {});
    throw explainStorage(error, path);
  }
  await syncDirectory(dirname(path));
  return secret;
}

/**
 * Makes the names in a directory survive the loss of power. On SMB and the like a directory cannot be
 * synced: there the server answers for its names.
 */
export async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await handle.sync();
  } catch (error) {
    if (!["EINVAL", "ENOTSUP", "EOPNOTSUPP", "ENOSYS"].includes(errnoOf(error) ?? "")) throw error;
  } finally {
    await handle.close();
  }
}

// 32 bytes in base64url: a file that was cut short does not fit.
const secretPattern = /^[A-Za-z0-9_-]{43}$/;

async function writeDurably(path: string, text: string): Promise<void> {
  const handle = await open(path, "wx", 0o600);
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
}
