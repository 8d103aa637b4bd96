import {
  create,
  fromBinary,
  toBinary,
  type DescMessage,
  type DescMethod,
  type Message,
  type MessageInitShape,
} from "@bufbuild/protobuf";

/**
 * The bytes of a message, which `init` is or describes. Throws where the schema cannot hold it: protobuf-es
 * itself writes U+FFFD for half a surrogate pair, so that what arrives is not what was sent.
 */
export function encode(schema: DescMessage, init: MessageInitShape<DescMessage>): Buffer {
  const message = create(schema, init);
  const bytes = toBinary(schema, message);
  // A view, as grpc-js wants a Buffer and copies it once more into its frame.
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  // Without U+FFFD nothing was replaced, and the walk over the message can be left out.
  const path = buffer.includes(replacement)
    ? findLoneSurrogate(message, schema.typeName)
    : undefined;
  if (path !== undefined) throw new Error(`${path} holds half a surrogate pair`);
  return buffer;
}

/** The message in the bytes. Throws where they hold none of this type. */
export function decode(schema: DescMessage, bytes: Buffer): Message {
  return fromBinary(schema, bytes);
}

/** grpc-js carries bytes: what is wrong with a message is told better by who encodes and decodes it. */
export function asIs(bytes: Buffer): Buffer {
  return bytes;
}

const replacement = Buffer.from("\uFFFD");

/** With the flag `u` a whole pair is one character, and no surrogate. */
const loneSurrogate = /\p{Surrogate}/u;

function findLoneSurrogate(value: unknown, path: string): string | undefined {
  if (typeof value === "string") return loneSurrogate.test(value) ? path : undefined;
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return undefined;
  for (const [key, item] of Object.entries(value)) {
    if (loneSurrogate.test(key)) return path;
    const found = findLoneSurrogate(item, `${path}.${key}`);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** The method's name on the wire: `/package.Service/Method`. */
export function methodPath(method: DescMethod): string {
  return `/${method.parent.typeName}/${method.name}`;
}
