/** A message as gRPC frames it; `length` and `compressed` are what it claims to be. */
export function frame(message: Buffer, length = message.length, compressed = 0): Buffer {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt8(compressed, 0);
  prefix.writeUInt32BE(length, 1);
  return Buffer.concat([prefix, message]);
}
