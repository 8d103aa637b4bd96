import { isDeepStrictEqual } from "node:util";
import { stringify } from "smol-toml";
import { HostError } from "./host-error.js";
import { parseToml } from "./read-values.js";
import { isObject, serverName, type ServerFile } from "./server-entry.js";

type Table = Record<string, unknown>;

/**
 * Peerline's table in a TOML file with one table of servers, of this name.
 *
 * @param options.additions keys of the table that the host writes by itself, when its user allows something.
 */
export function tomlServers(
  path: string,
  servers: string,
  { additions = [] }: { additions?: readonly string[] } = {},
): ServerFile {
  /** The server, and apart from it what the host added. */
  const read = (text = "") => {
    const table = tableOf(parseToml(path, text), servers);
    if (!isObject(table)) return { server: table, added: {} };
    const own: Table = {};
    const added: Table = {};
    for (const [key, value] of Object.entries(table)) {
      (additions.includes(key) ? added : own)[key] = value;
    }
    const isAlone = isDeepStrictEqual(own, {}) && !isDeepStrictEqual(added, {});
    return { server: isAlone ? undefined : own, added };
  };
  /** The edited text has to say what it said before, except for the table. */
  const checked = (text: string, after: string, table: object | undefined): string => {
    const past = parseToml(path, text);
    const present = tryParse(after);
    const isSame =
      present !== undefined &&
      isDeepStrictEqual(tableOf(present, servers), table) &&
      isDeepStrictEqual(others(present, servers), others(past, servers));
    if (isSame) return after;
    throw new HostError(
      "CONFIG_UNEXPECTED",
      `${path} was left as it is: its servers are not written as tables of their own. ` +
        `Write each as [${servers}.NAME], then try again.`,
    );
  };
  return {
    path,
    read: (text) => read(text).server,
    isLeftover(text) {
      const { server, added } = read(text);
      return server === undefined && !isDeepStrictEqual(added, {});
    },
    show: (server) => stringify(server).trimEnd(),
    // Between two comments, at the end or where the table was.
    put(text = "", server) {
      const present = tableOf(parseToml(path, text), servers);
      const table = { ...server, ...read(text).added };
      if (isDeepStrictEqual(present, table)) return text;
      const { head, tail } =
        present === undefined ? { head: text, tail: "" } : splitAtTable(text, servers);
      const lineEnd = text.includes("\r\n") ? "\r\n" : "\n";
      const lines = stringify({ [servers]: { [serverName]: table } }).trim();
      const block = `${[fenceStart, lines, fenceEnd].join("\n")}\n`.replaceAll("\n", lineEnd);
      return checked(text, head + separator(head, lineEnd) + block + tail, table);
    },
    // With its comments and the blank line before them.
    remove(text, before) {
      const { head, tail } = splitAtTable(text, servers);
      const after = checked(text, head + tail, undefined);
      return before === null && after.trim() === "" ? undefined : after;
    },
  };
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
function splitAtTable(text: string, servers: string): { head: string; tail: string } {
  const ownHeader = new RegExp(
    String.raw`^\s*\[\s*${servers}\s*\.\s*(["']?)${serverName}\1\s*[\].]`,
  );
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
      if (place === "after" && tail.at(-1)?.trim() === "") tail.pop();
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

// Parsed tables have no prototype, which a comparison with written ones would take for a difference.
function tableOf(config: Table, servers: string): unknown {
  return structuredClone(serversOf(config, servers)[serverName]);
}

function others(config: Table, name: string): Table {
  const { [serverName]: _, ...servers } = serversOf(config, name);
  const { [name]: __, ...rest } = config;
  return Object.keys(servers).length === 0 ? rest : { ...rest, [name]: servers };
}

function serversOf(config: Table, name: string): Table {
  const servers = config[name];
  return typeof servers === "object" && servers !== null ? (servers as Table) : {};
}

function tryParse(text: string): Table | undefined {
  try {
    return parseToml("", text);
  } catch {
    return undefined;
  }
}
