import { type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import type { Chance } from "./chance.js";
import { hostileUtf8 } from "./hostile-text.js";
import { maxHostileBytes } from "./limits.js";

/** Bytes that come where a message of this type is expected. */
export function hostileMessage(chance: Chance, expected: DescMessage): Buffer {
  const roll = chance.next();
  if (roll < 0.1) return chance.bytes(chance.int(chance.is(0.02) ? 20_000 : 200));
  if (roll < 0.2) return fieldSoup(chance);
  if (roll < 0.21) return nested(chance, 1 + chance.int(chance.is(0.1) ? 20_000 : 400));
  const room = { bytes: maxHostileBytes };
  const bytes = Buffer.from(writeMessage(chance, expected, room, 0).finish());
  return roll < 0.6 ? bytes : damaged(chance, bytes);
}

/** What may still be written, in bytes: lists of lists of lists would take all memory there is. */
interface Room {
  bytes: number;
}

/** Fields of the right names with values that are often of the wrong type, size or encoding. */
function writeMessage(chance: Chance, desc: DescMessage, room: Room, depth: number): BinaryWriter {
  const writer = new BinaryWriter();
  for (const field of desc.fields) {
    if (chance.is(0.35)) continue;
    const times = field.fieldKind === "list" ? chance.int(chance.is(0.01) ? 2000 : 4) : 1;
    for (let time = 0; time < times && room.bytes > 0; time++) {
      room.bytes -= maxHeadBytes;
      writeField(chance, writer, field, room, depth);
    }
  }
  if (chance.is(0.1)) writer.raw(fieldSoup(chance));
  return writer;
}

/** Of a field, more or less. */
const maxHeadBytes = 8;

function writeField(
  chance: Chance,
  writer: BinaryWriter,
  field: DescField,
  room: Room,
  depth: number,
): void {
  if (chance.is(0.03)) return void writer.raw(anyField(chance, field.number));
  if (field.message !== undefined && depth < maxDepth) {
    writer.tag(field.number, WireType.LengthDelimited);
    writer.bytes(writeMessage(chance, field.message, room, depth + 1).finish());
  } else if (field.fieldKind === "map" && depth < maxDepth) {
    writer.tag(field.number, WireType.LengthDelimited);
    writer.bytes(writeEntry(chance, field, room, depth + 1).finish());
  } else if (field.scalar === ScalarType.STRING || field.scalar === ScalarType.BYTES) {
    const text = hostileUtf8(chance);
    room.bytes -= text.length;
    writer.tag(field.number, WireType.LengthDelimited).bytes(text);
  } else if (field.scalar === ScalarType.DOUBLE) {
    writer.tag(field.number, WireType.Bit64);
    writer.double(chance.pick([0, -0, NaN, Infinity, 1e308, 5e-324]));
  } else {
    writer.tag(field.number, WireType.Varint).raw(varint(chance));
  }
}

/** Deep enough for a structure in a structure in a structure. */
const maxDepth = 10;

function writeEntry(
  chance: Chance,
  field: DescField & { fieldKind: "map" },
  room: Room,
  depth: number,
): BinaryWriter {
  const writer = new BinaryWriter();
  writer.tag(1, WireType.LengthDelimited).bytes(hostileUtf8(chance));
  const value = field.mapKind === "message" ? field.message : undefined;
  if (value !== undefined) {
    writer.tag(2, WireType.LengthDelimited);
    writer.bytes(writeMessage(chance, value, room, depth).finish());
  }
  return writer;
}

function fieldSoup(chance: Chance): Buffer {
  const fields = Array.from({ length: 1 + chance.int(12) }, () =>
    anyField(chance, chance.is(0.9) ? 1 + chance.int(12) : chance.int(2 ** 29)),
  );
  return Buffer.concat(fields);
}

/** A field with a wire type of its own choice, and a length that may lie. */
function anyField(chance: Chance, number: number): Buffer {
  const wireType = chance.int(8);
  const tag = Buffer.from(new BinaryWriter().uint32(((number << 3) | wireType) >>> 0).finish());
  if (wireType === 0) return Buffer.concat([tag, varint(chance)]);
  if (wireType !== 2) return Buffer.concat([tag, chance.bytes(chance.pick([0, 4, 8]))]);
  const content = Buffer.from(hostileUtf8(chance));
  const length = chance.is(0.8) ? content.length : chance.int(2 ** 31);
  return Buffer.concat([tag, Buffer.from(new BinaryWriter().uint32(length).finish()), content]);
}

/** At most 12 bytes, although 10 are the longest that is valid. */
function varint(chance: Chance): Buffer {
  if (chance.is(0.7)) return Buffer.from([chance.int(128)]);
  const length = 1 + chance.int(12);
  return Buffer.from(
    Array.from({ length }, (_, at) => chance.int(128) | (at < length - 1 ? 0x80 : 0)),
  );
}

/** The same field in itself, again and again: as a message, a structure, or a group that nothing closes. */
function nested(chance: Chance, levels: number): Buffer {
  const tags = chance.pick([[0x22], [0x22, 0x0a, 0x12, 0x2a], [0x32, 0x0a], [0x0b], [0x42]]);
  const isGroup = tags[0] === 0x0b;
  const parts: Buffer[] = [];
  let length = 0;
  for (let level = 0; level < levels; level++) {
    const tag = tags[(levels - 1 - level) % tags.length] ?? 0;
    const head = isGroup
      ? Buffer.from([tag])
      : Buffer.from(new BinaryWriter().uint32(tag).uint32(length).finish());
    parts.push(head);
    length += head.length;
  }
  return Buffer.concat(parts.toReversed());
}

/** The same bytes with a few of them changed, lost or doubled. */
function damaged(chance: Chance, bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes);
  for (let time = 1 + chance.int(4); time > 0 && copy.length > 0; time--) {
    copy[chance.int(copy.length)] = chance.int(256);
  }
  const cut = chance.int(copy.length + 1);
  if (chance.is(0.3)) return copy.subarray(0, cut);
  return chance.is(0.2) ? Buffer.concat([copy.subarray(0, cut), copy]) : copy;
}
