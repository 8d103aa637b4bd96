import { expect, test } from "vitest";
import { CallCounter } from "./call-counter.js";

const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
const headers = 1;
const data = 0;

test("finds where a call begins, among other frames", () => {
  const frames = [frame(4, 12), frame(headers, 70), frame(data, 300), frame(headers, 5)];
  const bytes = Buffer.concat([preface, ...frames, frame(data, 3)]);
  expect(new CallCounter().add(bytes, 2)).toBe(preface.length + 21 + 79 + 309);
  expect(new CallCounter().add(bytes, 3)).toBeUndefined();
});

test("counts on over pieces of any size, and payloads that look like frames", () => {
  const counter = new CallCounter();
  const before = Buffer.concat([preface, frame(headers, 70), frame(data, 40_000, headers)]);
  for (const byte of before) expect(counter.add(Buffer.of(byte), 2)).toBeUndefined();
  expect(counter.add(frame(headers, 10), 2)).toBe(0);
});

function frame(type: number, length: number, filling = 0): Buffer {
  const head = Buffer.from([length >> 16, (length >> 8) & 255, length & 255, type, 0, 0, 0, 0, 1]);
  return Buffer.concat([head, Buffer.alloc(length, filling)]);
}
