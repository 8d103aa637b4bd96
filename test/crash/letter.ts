import { createHash } from "node:crypto";
import type { Message } from "../../gen/peerline/v1/message_pb.js";

/** What a message of the run says of itself. */
export interface Letter {
  readonly key: string;
  /** Nothing was changed on its way. */
  readonly intact: boolean;
}

/** The text of the message `key`: no two are the same, and each proves itself. */
export function writeLetter(key: string, to: readonly string[]): string {
  const digest = createHash("sha256").update(`${key} ${to.join()}`).digest("hex");
  const repeats = (Number.parseInt(digest.slice(0, 2), 16) % 12) + 1;
  return `${key} to ${to.join()}: ${digest.repeat(repeats)}`;
}

export function readLetter(text: string): Letter {
  const [, key = text.slice(0, 100), to = ""] = /^(\S+) to (\S+): /.exec(text) ?? [];
  return { key, intact: text === writeLetter(key, to.split(",")) };
}

/** The broker itself speaks, of messages that ended: no peer sent this. */
export function isNotice(message: Message): boolean {
  return /^[0-]*$/.test(message.from?.peerId ?? "");
}
