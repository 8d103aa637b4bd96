import { connect } from "node:net";
import type { Chance } from "./chance.js";

/** Bytes on a socket that are no HTTP/2, or begin as it and go on as something else. */
export function hostileBytes(chance: Chance): Buffer {
  const roll = chance.next();
  if (roll < 0.1) return Buffer.from("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
  if (roll < 0.3) return chance.bytes(chance.int(2000));
  if (roll < 0.4) return preface.subarray(0, chance.int(preface.length));
  const frames = Array.from({ length: 1 + chance.int(40) }, () => http2Frame(chance));
  return Buffer.concat([preface, emptySettings, ...frames]);
}

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
const emptySettings = Buffer.from("000000040000000000", "hex");

/** A frame of any type, flags and stream; its length may lie. */
function http2Frame(chance: Chance): Buffer {
  const content = chance.bytes(chance.int(chance.is(0.05) ? 20_000 : 60));
  const head = Buffer.alloc(9);
  head.writeUIntBE(chance.is(0.9) ? content.length : chance.int(2 ** 24), 0, 3);
  head.writeUInt8(chance.is(0.9) ? chance.int(11) : chance.int(256), 3);
  head.writeUInt8(chance.int(256), 4);
  head.writeUInt32BE(chance.is(0.8) ? chance.int(8) : chance.int(2 ** 32), 5);
  return Buffer.concat([head, content]);
}
