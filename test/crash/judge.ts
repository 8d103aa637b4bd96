import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { check, type Verdict, type Violation } from "./checker.js";
import { readHistory, type Operation } from "./history.js";

/** What a run leaves to be judged. */
interface Stage {
  readonly stored: Parameters<typeof check>[1];
}

/** What is told of every run. */
export interface Judged extends Verdict {
  readonly seed: string;
  /** What the history says of the first violations, an operation a line. */
  readonly evidence: readonly string[];
  readonly durationMs: number;
}

/** Runs in a folder of its own, which goes afterwards, and judges the history that the run writes. */
export async function judge<Options extends { readonly seed: string }, Left extends Stage>(
  options: Options,
  run: (root: string, history: string, options: Options) => Promise<Left>,
): Promise<Judged & Left> {
  const startMs = Date.now();
  const root = await mkdtemp(join(tmpdir(), "pl-"));
  try {
    const history = join(root, "history");
    await mkdir(history);
    const stage = await run(root, history, options);
    const verdict = check(readHistory(history), stage.stored);
    const evidence = recall(readHistory(history), verdict.violations);
    const { seed } = options;
    return { ...verdict, ...stage, evidence, seed, durationMs: Date.now() - startMs };
  } finally {
    await rm(root, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** Violations whose operations are told. */
const evidenceKeys = 5;

/** What the history says of the first violations, an operation a line. */
function recall(history: Iterable<Operation>, violations: readonly Violation[]): string[] {
  const keys = new Set(violations.slice(0, evidenceKeys).map(({ key }) => key));
  const lines: string[] = [];
  for (const operation of history) {
    if (keys.has(operation.key)) lines.push(JSON.stringify(operation));
  }
  return lines;
}
