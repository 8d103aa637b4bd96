import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { rolldown } from "rolldown";

/** What a process did to the files of one folder, in order, and what it had promised in between. */
export type FileEvent =
  | { readonly kind: "create"; readonly file: number; readonly name: string }
  | {
      readonly kind: "write";
      readonly file: number;
      readonly offset: number;
      readonly bytes: Buffer;
    }
  | { readonly kind: "truncate"; readonly file: number; readonly size: number }
  | { readonly kind: "sync"; readonly file: number }
  | { readonly kind: "unlink"; readonly name: string }
  | {
      readonly kind: "acknowledge";
      readonly what: "sent" | "confirmed";
      readonly messageId: string;
    };

/** The folder itself, as a file that is synced. */
export const folderFile = 0;

/** Runs the recorded sender on a database in a new folder within `folder`, to its end. */
export async function recordSender(options: {
  folder: string;
  preload: string;
  workerUrl: URL;
  /** What is in the new folder when it begins, by name. */
  files?: ReadonlyMap<string, Buffer>;
}): Promise<FileEvent[]> {
  const { preload, workerUrl, files = new Map<string, Buffer>() } = options;
  const folder = mkdtempSync(join(options.folder, "run-"));
  const recorded = join(folder, "recorded");
  mkdirSync(recorded);
  for (const [name, bytes] of files) writeFileSync(join(recorded, name), bytes);
  const parameters = [join(recorded, "peerline.db"), workerUrl.href];
  return await recordProgram({ name: "recorded-sender", parameters, folder, recorded, preload });
}

/** Runs one of the programs beside this file to its end, and records what it does to the files of `recorded`. */
export async function recordProgram(options: {
  name: string;
  parameters: readonly string[];
  /** For the program itself and for the record. */
  folder: string;
  recorded: string;
  preload: string;
}): Promise<FileEvent[]> {
  const { name, parameters, folder, recorded, preload } = options;
  const file = join(folder, `${name}.mjs`);
  const record = join(folder, "record");
  const bundle = await rolldown({
    input: join(import.meta.dirname, `${name}.ts`),
    platform: "node",
    external: ["libsql"],
  });
  await bundle.write({ file, format: "esm" });
  await bundle.close();
  symlinkSync(join(import.meta.dirname, "../../node_modules"), join(folder, "node_modules"));
  execFileSync(process.execPath, [file, ...parameters], {
    env: { LD_PRELOAD: preload, FAULT_FOLDER: recorded, FAULT_RECORD: record },
    timeout: 60_000,
  });
  return [...decode(readFileSync(record))];
}

/** The records of record-writes.c. */
function* decode(record: Buffer): Generator<FileEvent> {
  let acknowledged = -1;
  for (let at = 0; at < record.length;) {
    const kind = String.fromCharCode(record.readUInt32LE(at));
    const file = record.readUInt32LE(at + 4);
    const offset = Number(record.readBigUInt64LE(at + 8));
    const end = at + 24 + Number(record.readBigUInt64LE(at + 16));
    const bytes = record.subarray(at + 24, end);
    at = end;
    if (kind === "c" && bytes.toString() === "acknowledged") acknowledged = file;
    else if (file === acknowledged) yield decodeAcknowledgement(bytes.toString());
    else if (kind === "c") yield { kind: "create", file, name: bytes.toString() };
    else if (kind === "w") yield { kind: "write", file, offset, bytes };
    else if (kind === "t") yield { kind: "truncate", file, size: offset };
    else if (kind === "s") yield { kind: "sync", file };
    else if (kind === "u") yield { kind: "unlink", name: bytes.toString() };
    else throw new Error(`a record of an unknown kind: ${kind}`);
  }
}

function decodeAcknowledgement(line: string): FileEvent {
  const [, what, messageId = ""] = /^(sent|confirmed) (\S+)\n$/.exec(line) ?? [];
  if (what === "sent" || what === "confirmed") return { kind: "acknowledge", what, messageId };
  throw new Error(`no acknowledgement: ${line}`);
}
