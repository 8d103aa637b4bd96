import { Readable } from "node:stream";
import { expect, test } from "vitest";
import { readStdin } from "../../src/cli/shell.js";

const maxBytes = 8;

test("text comes without the line break at its end, and only that one", async () => {
  expect(await readStdin(stdin("a\nb\n"), maxBytes)).toBe("a\nb");
  expect(await readStdin(stdin("a\n\n"), maxBytes)).toBe("a\n");
  expect(await readStdin(stdin("a\r\n"), maxBytes)).toBe("a");
});

test("the line break at the end does not count against the bound", async () => {
  expect(await readStdin(stdin("12345678\n"), maxBytes)).toBe("12345678");
});

test("characters that are split over chunks are put together", async () => {
  const [first, second] = [Buffer.from("ü").subarray(0, 1), Buffer.from("ü").subarray(1)];
  expect(await readStdin(Readable.from([first, second]), maxBytes)).toBe("ü");
});

test("text over the bound is refused without reading the rest", async () => {
  let chunks = 0;
  const endless = Readable.from(
    (function* () {
      for (;;) {
        chunks++;
        yield Buffer.from("12345");
      }
    })(),
  );
  await expect(readStdin(endless, maxBytes)).rejects.toMatchObject({ code: "USAGE" });
  expect(chunks).toBeLessThan(50);
  await expect(readStdin(stdin("123456789"), maxBytes)).rejects.toMatchObject({ code: "USAGE" });
});

test("bytes that are no text are refused, not replaced", async () => {
  const broken = Readable.from([Buffer.from([0x61, 0xff])]);
  await expect(readStdin(broken, maxBytes)).rejects.toMatchObject({ code: "USAGE" });
});

function stdin(text: string): Readable {
  return Readable.from([Buffer.from(text)]);
}
