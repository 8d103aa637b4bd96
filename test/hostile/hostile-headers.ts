import type { Chance } from "./chance.js";
import { http2Frame, type Http2Frame } from "./http2-frame.js";

/**
 * One call's frames on a stream, made by hand. Their headers are such as no HTTP/2 library would send: in pieces,
 * or too many. Frames follow that may be sent on a stream that has begun.
 */
export function hostileStream(chance: Chance): Buffer {
  const stream = chance.is(0.9) ? 1 + 2 * chance.int(50) : chance.int(8);
  const block = headerBlock(chance);
  const roll = chance.next();
  if (roll < 0.5) return http2Frame({ type: HEADERS, flags: END_HEADERS, stream, content: block });
  if (roll < 0.7) return inPieces(block, stream, chance.int(200), chance.is(0.5));
  if (roll < 0.85) return Buffer.concat([...takenBack(block, chance.int(300))]);
  const flood = chance.pick(floods);
  return Buffer.concat(Array.from({ length: chance.int(2000) }, () => http2Frame(flood)));
}

export const DATA = 0;
export const HEADERS = 1;
const RST_STREAM = 3;
const SETTINGS = 4;
const PING = 6;
export const WINDOW_UPDATE = 8;
const CONTINUATION = 9;
export const END_STREAM = 1;
export const END_HEADERS = 4;

/** Small frames that cost the receiver more than the sender. */
const floods = [
  { type: SETTINGS, flags: 0, stream: 0, content: Buffer.alloc(0) },
  { type: SETTINGS, flags: 0, stream: 0, content: Buffer.from("000400000000", "hex") },
  { type: PING, flags: 0, stream: 0, content: Buffer.alloc(8) },
  { type: WINDOW_UPDATE, flags: 0, stream: 0, content: Buffer.from("7fffffff", "hex") },
  { type: WINDOW_UPDATE, flags: 0, stream: 0, content: Buffer.alloc(4) },
  { type: DATA, flags: 0, stream: 1, content: Buffer.alloc(0) },
] as const satisfies readonly Http2Frame[];

/** A header block that is cut anywhere, with empty pieces after it; its end may never come. */
function inPieces(block: Buffer, stream: number, empty: number, ends: boolean): Buffer {
  const half = Math.floor(block.length / 2);
  const pieces = [block.subarray(half), ...Array.from({ length: empty }, () => Buffer.alloc(0))];
  return Buffer.concat([
    http2Frame({ type: HEADERS, flags: 0, stream, content: block.subarray(0, half) }),
    ...pieces.map((content, at) => {
      const flags = ends && at === pieces.length - 1 ? END_HEADERS : 0;
      return http2Frame({ type: CONTINUATION, flags, stream, content });
    }),
  ]);
}

/** Calls that are taken back as soon as they were made. */
function* takenBack(block: Buffer, count: number): Generator<Buffer> {
  for (let call = 0; call < count; call++) {
    const stream = 1 + 2 * call;
    yield http2Frame({ type: HEADERS, flags: END_HEADERS, stream, content: block });
    yield http2Frame({ type: RST_STREAM, flags: 0, stream, content: Buffer.alloc(4) });
  }
}

/** HPACK: fields as literals, mostly those of a call, among them what cannot be read. */
function headerBlock(chance: Chance): Buffer {
  const fields = callFields.filter(() => chance.is(0.95)).map(literal);
  for (let more = chance.int(4); more > 0; more--) {
    const field = chance.is(0.9) ? literal(chance.pick(badFields)) : chance.pick(badHpack);
    fields.splice(chance.int(fields.length + 1), 0, field);
  }
  if (chance.is(0.05)) fields.push(...Array.from({ length: 3000 }, () => literal(["x-a", "y"])));
  return Buffer.concat(fields);
}

export type Field = readonly [name: string, value: string];

export const callFields: readonly Field[] = [
  [":method", "POST"],
  [":scheme", "http"],
  [":path", "/peerline.v1.BrokerService/GetServerInfo"],
  [":authority", "localhost"],
  ["content-type", "application/grpc"],
  ["te", "trailers"],
];

const badFields: readonly [Field, ...Field[]] = [
  [":path", "/"],
  [":status", "200"],
  [":unknown", "x"],
  ["", "a field without a name"],
  ["Upper-Case", "x"],
  ["connection", "keep-alive"],
  ["transfer-encoding", "chunked"],
  ["te", "gzip"],
  ["host", "a\r\nx: y"],
  ["authorization", "Bearer a\0b"],
  ["authorization", "Bearer \u00ff\u00fe"],
  ["x\r\ny", "z"],
  ["x y", "z"],
  ["__proto__", "polluted"],
  ["trace-bin", "@@@@"],
  ["grpc-timeout", "9".repeat(400)],
  ["content-length", "99999999999999999999"],
  ["x-long", "y".repeat(12_000)],
];

const badHpack = [
  Buffer.from("ffffffffffffffffff7f", "hex"), // an index without end
  Buffer.from("80", "hex"), // index 0
  Buffer.from("fe", "hex"), // an index that is not in the table
  Buffer.from("3fe1ffffff0f", "hex"), // a table larger than was agreed
  Buffer.from("007fffffffff0f", "hex"), // a name longer than all that follows
  Buffer.from("0081ff", "hex"), // a name whose Huffman code is no code
] as const;

export function literal([name, value]: Field): Buffer {
  return Buffer.concat([Buffer.from([0]), hpackText(name), hpackText(value)]);
}

function hpackText(text: string): Buffer {
  const bytes = Buffer.from(text, "latin1");
  const length: number[] = [];
  if (bytes.length < 0x7f) length.push(bytes.length);
  else {
    length.push(0x7f);
    let rest = bytes.length - 0x7f;
    for (; rest >= 0x80; rest >>>= 7) length.push((rest & 0x7f) | 0x80);
    length.push(rest);
  }
  return Buffer.concat([Buffer.from(length), bytes]);
}
