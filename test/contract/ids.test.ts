import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { isIdEnd, isUuid, shortId } from "../../src/contract/ids.js";

test("an id is named by itself, and by its last 8 characters or more", () => {
  const id = randomUUID();
  for (let length = 8; length <= 36; length++) expect(isIdEnd(id.slice(-length))).toBe(true);
  expect(isIdEnd(shortId(id))).toBe(true);
  expect(isIdEnd(id.slice(-7))).toBe(false);
  expect(isIdEnd(`0${id}`)).toBe(false);
  // Its hyphens stand elsewhere.
  expect(isIdEnd(id.slice(0, 23))).toBe(false);
  expect(isIdEnd(id.slice(-8).replace(/^./, "g"))).toBe(false);
  expect([isUuid(id), isUuid(id.slice(1)), isUuid(id.toUpperCase())]).toEqual([true, false, false]);
});
