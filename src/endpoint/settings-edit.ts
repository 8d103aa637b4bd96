import { lstatSync, realpathSync } from "node:fs";
import { rm } from "node:fs/promises";
import { removeDrafts, writeDurably } from "../durable-file.js";
import { EndpointError, explainWriting } from "./endpoint-error.js";
import { maxSettingsBytes } from "./limits.js";
import { readKeptFile } from "./regular-file.js";

/** `broker.toml` as it is, and a way to write it anew. */
export interface SettingsEdit {
  /** Each byte is one character, and stays the same one, in whatever encoding. Undefined where there is no file. */
  readonly text: string | undefined;
  readonly isLink: boolean;
  /** With the mode that it had, through a link that leads to it. Undefined removes the file. */
  write(text: string | undefined): Promise<void>;
  /** Removes what writing was interrupted has left. */
  removeDrafts(): Promise<void>;
}

/** CONFIG_INVALID where the file is too long. */
export async function openSettingsEdit(path: string): Promise<SettingsEdit> {
  const file = await readKeptFile(path, maxSettingsBytes);
  const real = file === undefined ? path : realpathSync(path);
  if (file !== undefined && file.bytes === undefined) {
    const words = `${path} has more than ${maxSettingsBytes} bytes: shorten it, or move it away.`;
    throw new EndpointError("CONFIG_INVALID", words);
  }
  return {
    text: file?.bytes?.toString("latin1"),
    isLink: lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() === true,
    async write(text) {
      try {
        if (text === undefined) await rm(real, { force: true });
        else {
          const bytes = Buffer.from(text, "latin1");
          await writeDurably(real, bytes, { replaces: true, like: file?.stats });
        }
      } catch (error) {
        throw explainWriting(error, real);
      }
    },
    removeDrafts: () => removeDrafts(real),
  };
}
