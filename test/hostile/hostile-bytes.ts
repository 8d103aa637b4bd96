import { connect } from "node:net";
import type { Chance } from "./chance.js";
import { hostileStream } from "./hostile-headers.js";
import { http2Frame } from "./http2-frame.js";

/** Bytes on a socket that are no HTTP/2, or begin as it and go on as something else. */
export function hostileBytes(chance: Chance): Buffer {
  const roll = chance.next();
  if (roll < 0.1) return Buffer.from("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
  if (roll < 0.3) return chance.bytes(chance.int(2000));
  if (roll < 0.4) return preface.subarray(0, chance.int(preface.length));
  const makeFrame = withStreams && roll < 0.7 ? hostileStream : anyFrame;
  const frames = Array.from({ length: 1 + chance.int(40) }, () => makeFrame(chance));
  return Buffer.concat([preface, emptySettings, ...frames]);
}

/**
 * Streams made by hand are sent on demand alone: some make the http2 module of Node 20.20.2 end its process
 * with a failed assertion (`current_nghttp2_memory_ == 0`), in an empty server too.
 */
const withStreams = process.env["HOSTILE_STREAMS"] === "1";

/** Sends bytes on a connection of their own; resolves when it has closed. */
export async function sendBytes(path: string, bytes: Buffer): Promise<void> {
  await new Promise<void>((resolve) => {
    const socket = connect(path, () => socket.end(bytes));
    socket.on("error", () => undefined);
    socket.on("close", () => resolve());
    socket.resume();
    socket.setTimeout(idleMs, () => socket.destroy());
  });
}

/** A connection that the broker leaves open is closed from here. */
const idleMs = 50;

export const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
export const emptySettings = Buffer.from("000000040000000000", "hex");

/** A frame of any type, flags and stream; its length may lie. */
function anyFrame(chance: Chance): Buffer {
  const content = chance.bytes(chance.int(chance.is(0.05) ? 20_000 : 60));
  return http2Frame({
    type: chance.is(0.9) ? chance.int(11) : chance.int(256),
    flags: chance.int(256),
    stream: chance.is(0.8) ? chance.int(8) : chance.int(2 ** 32),
    content,
    length: chance.is(0.9) ? content.length : chance.int(2 ** 24),
  });
}
