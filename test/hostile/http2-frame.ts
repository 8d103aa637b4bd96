/** A frame as RFC 9113 has it; nothing checks that it makes sense. */
export interface Http2Frame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly content: Buffer;
  /** Where it is to lie about the length of its content. */
  readonly length?: number;
}

export function http2Frame({ type, flags, stream, content, length }: Http2Frame): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(length ?? content.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, content]);
}
