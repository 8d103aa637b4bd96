import { z } from "zod";

/** A number, also where a model writes it as text. */
export function wholeNumber(schema: z.ZodInt) {
  return z.preprocess(
    (value) => (typeof value === "string" && /^\s*\d+\s*$/.test(value) ? Number(value) : value),
    schema,
  );
}

/** True or false, also where a model writes it as text. */
export function flag() {
  return z.preprocess(
    (value) => (value === "true" ? true : value === "false" ? false : value),
    z.boolean(),
  );
}
