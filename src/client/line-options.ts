import type { JsonObject } from "@bufbuild/protobuf";
import type { Urgency } from "../../gen/peerline/v1/message_pb.js";
import type { Clock } from "../clock.js";
import { isUuid } from "../contract/ids.js";
import type { Connection } from "./attachment.js";
import type { Identity } from "./identity.js";
import type { LineState } from "./line.js";
import { maxDataDepth } from "./limits.js";
import type { Mail } from "./mail.js";

export interface LineOptions {
  /** Finds the broker. Called for each attachment; what it returns is closed with that. */
  readonly connect: (signal: AbortSignal) => Promise<Connection>;
  /** Who the client is to the broker. */
  readonly identity: Identity;
  /** Where deliveries go. */
  readonly mail: Mail;
  readonly clock: Clock;
  /** Whether it subscribes from the beginning; otherwise when somebody first reads messages. */
  readonly receives: boolean;
  /**
   * Whether trouble stays until someone fixes it, so that nobody waits for its end.
   *
   * @param wasLive the line was live before
   */
  readonly isLasting: (problem: unknown, wasLive: boolean) => boolean;
  /** Whether a link may be between the client and its broker, so that silence may be a loss. Default: none is. */
  readonly isRemote?: () => boolean;
  /** Hears of each change of the state. */
  readonly onState?: ((state: LineState) => void) | undefined;
  /** Takes one line for whoever looks into the client's log. Default: nobody looks. */
  readonly log?: ((line: string) => void) | undefined;
  /** The time of a call with all its retries, in milliseconds. Default: 30,000. */
  readonly callTimeoutMs?: number;
  /** The time that closing may take, in milliseconds. Default: 5,000. */
  readonly closeTimeoutMs?: number;
}

export interface SendOptions {
  /** Makes a repeat of a send known as such: a UUID. Default: a new one, of version 7. */
  readonly messageId?: string;
  /** The id of the message that this answers, whole or its last 8 characters or more. */
  readonly inReplyTo?: string;
  /** The exchange that it belongs to; at most 64 of `[A-Za-z0-9._:-]`. Default: that of the message it answers. */
  readonly threadId?: string;
  /** Default: normal. */
  readonly urgency?: Urgency;
  /** The same in a form for programs: JSON, at most 16 KiB encoded. A value that JSON lacks, such as NaN, is a TypeError. */
  readonly data?: JsonObject;
  /** How long it may wait unread, in milliseconds: 1 second to 365 days. Default: the broker's, 30 days. */
  readonly expiresInMs?: number;
  /** Ends the wait. The message may have been sent. */
  readonly signal?: AbortSignal;
}

export interface ReadOptions {
  /**
   * Whether to wait for what is still to come. Default: true; otherwise the loop ends when nothing waits. A
   * message that was returned, and is not due again yet, is still to come: a later loop gets it.
   */
  readonly waits?: boolean;
  /** Ends the loop when it aborts. */
  readonly signal?: AbortSignal | undefined;
}

/** Refuses what protobuf would silently make something else of, such as NaN. @throws TypeError, which names the field */
export function checkSend({ data, expiresInMs, messageId }: SendOptions): void {
  if (messageId !== undefined && (typeof messageId !== "string" || !isUuid(messageId))) {
    throw new TypeError("`messageId` must be a UUID in lower case; leave it out for a new one.");
  }
  if (expiresInMs !== undefined && !Number.isSafeInteger(Math.round(expiresInMs))) {
    throw new TypeError("`expiresInMs` must be a finite number of milliseconds.");
  }
  if (data === undefined) return;
  if (!isPlain(data)) throw new TypeError("`data` must be a plain object.");
  checkJson("data", data, 0);
}

function checkJson(path: string, value: unknown, depth: number): void {
  if (depth > maxDataDepth) {
    throw new TypeError(`\`data\` must be at most ${maxDataDepth} objects and arrays deep.`);
  }
  if (value === null || typeof value === "string" || typeof value === "boolean") return;
  if (typeof value === "number" && Number.isFinite(value)) return;
  if (!Array.isArray(value) && !isPlain(value)) {
    const form = "null, a boolean, a finite number, a string, an array or a plain object";
    throw new TypeError(`\`${path}\` must be JSON: ${form}.`);
  }
  const members = Array.isArray(value)
    ? [...(value as unknown[])].entries()
    : Object.entries(value);
  for (const [key, member] of members) {
    checkJson(`${path}.${key}`, member, depth + 1);
  }
}

function isPlain(value: unknown): value is object {
  if (typeof value !== "object" || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}
