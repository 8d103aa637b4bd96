import { isDeepStrictEqual } from "node:util";
import { parse, stringify, TomlError } from "smol-toml";
import { HostError } from "./host-error.js";
import { serverName } from "./server-command.js";

type Table = Record<string, unknown>;

/** Peerline's table of servers in Codex's configuration; undefined where there is none. */
export function readTable(path: string, text: string): unknown {
  return tableOf(parseToml(path, text));
}

/** The text with this table between two comments, at the end or where the table was. */
export function putTable(path: string, text: string, table: object): string {
  const present = readTable(path, text);
  if (isDeepStrictEqual(present, table)) return text;
  const { head, tail } = present === undefined ? { head: text, tail: "" } : splitAtTable(text);
  const lineEnd = text.includes("\r\n") ? "\r\n" : "\n";
  const fenced = [fenceStart, stringify({ mcp_servers: { [serverName]: table } }).trim(), fenceEnd];
  const block = `${fenced.join("\n")}\n`.replaceAll("\n", lineEnd);
  const after = head + separator(head, lineEnd) + block + tail;
  check(path, { text, after, table });
  return after;
}

/** The text without the table, its comments and the blank line before them. */
export function removeTable(path: string, text: string): string {
  const { head, tail } = splitAtTable(text);
  check(path, { text, after: head + tail, table: undefined });
  return head + tail;
}

const fenceStart = `# >>> ${serverName}`;
const fenceEnd = `# <<< ${serverName}`;

function separator(head: string, lineEnd: string): string {
  if (head.trim() === "") return "";
  return head.endsWith("\n") ? lineEnd : lineEnd + lineEnd;
}

/**
 * What stands before the table and after it. The two comments do not say where it ends: Codex, adding
 * a table of its own at the end of the file, puts it before the last comment. So it goes by headers, as
 * they stand on lines of their own; a text in which that misleads fails the check.
 */
function splitAtTable(text: string): { head: string; tail: string } {
  const head: string[] = [];
  const tail: string[] = [];
  // Blank lines and comments within the table, which belong to the next one if one follows.
  let pending: string[] = [];
  let place: "before" | "within" | "after" = "before";
  for (const line of text.split(/(?<=\n)/)) {
    const content = line.trim();
    if (content === fenceStart || content === fenceEnd) {
      place = "after";
      pending = [];
    } else if (ownHeader.test(line)) {
      place = "within";
      pending = [];
    } else if (place === "within" && !content.startsWith("[")) {
      pending = content === "" || content.startsWith("#") ? [...pending, line] : [];
    } else {
      if (place === "within") place = "after";
      (place === "before" ? head : tail).push(...pending, line);
      pending = [];
    }
  }
  if (head.at(-1)?.trim() === "") head.pop();
  if (head.length === 0 && tail[0]?.trim() === "") tail.shift();
  return { head: head.join(""), tail: [...tail, ...pending].join("") };
}

const ownHeader = new RegExp(
  String.raw`^\s*\[\s*mcp_servers\s*\.\s*(["']?)${serverName}\1\s*[\].]`,
);

/** The edited text has to say what it said before, but for the table. */
function check(
  path: string,
  { text, after, table }: { text: string; after: string; table: object | undefined },
): void {
  const past = parseToml(path, text);
  const present = tryParse(after);
  const same =
    present !== undefined &&
    isDeepStrictEqual(tableOf(present), table) &&
    isDeepStrictEqual(others(present), others(past));
  if (same) return;
  throw new HostError(
    "CONFIG_UNEXPECTED",
    `${path} was left as it is: its servers are not written as tables of their own. ` +
      `Write each as [mcp_servers.NAME], then try again.`,
  );
}

// Parsed tables have no prototype, which a comparison with written ones would take for a difference.
function tableOf(config: Table): unknown {
  return structuredClone(serversOf(config)[serverName]);
}

function others(config: Table): Table {
  const { [serverName]: _, ...servers } = serversOf(config);
  const { mcp_servers: __, ...rest } = config;
  return Object.keys(servers).length === 0 ? rest : { ...rest, mcp_servers: servers };
}

function serversOf(config: Table): Table {
  const servers = config["mcp_servers"];
  return typeof servers === "object" && servers !== null ? (servers as Table) : {};
}

/** CONFIG_BROKEN where the host could not read the text. */
export function parseToml(path: string, text: string): Table {
  try {
    return parse(text.replace(/^\uFEFF/, ""), { integersAsBigInt: "asNeeded" });
  } catch (cause) {
    if (!(cause instanceof TomlError)) throw cause;
    const [what = ""] = cause.message.split("\n");
    throw new HostError(
      "CONFIG_BROKEN",
      `${path} cannot be read as TOML (line ${cause.line}, column ${cause.column}: ${what}). ` +
        "It was left as it is: mend it, then try again.",
      { cause },
    );
  }
}

function tryParse(text: string): Table | undefined {
  try {
    return parseToml("", text);
  } catch {
    return undefined;
  }
}
