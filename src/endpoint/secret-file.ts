import { randomBytes } from "node:crypto";
import { sleep } from "../clock.js";
import { writeDurably } from "../durable-file.js";
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
  try {
    await writeDurably(path, `${secret}\n`);
  } catch (error) {
    throw explainStorage(error, path);
  }
  return secret;
}

// 32 bytes in base64url: a file that was cut short does not fit.
const secretPattern = /^[A-Za-z0-9_-]{43}$/;
