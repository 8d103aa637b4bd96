import { createInterface } from "node:readline/promises";

/** Asks the person at the terminal, and resolves to the answer in small letters. */
export async function ask(question: string, output: NodeJS.WritableStream): Promise<string> {
  const terminal = createInterface({ input: process.stdin, output });
  try {
    return (await terminal.question(question)).trim().toLowerCase();
  } finally {
    terminal.close();
  }
}
