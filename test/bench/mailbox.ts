import { accessSync, constants, readFileSync } from "node:fs";
import { delimiter, isAbsolute, join } from "node:path";
import { z } from "zod";
import type { Build } from "./build.js";
import { environmentOf } from "./broker.js";
import { type ServerCommand, StdioServer } from "./stdio-server.js";

/**
 * An MCP server by which agents write to each other, described. In every text a word in braces stands for
 * something else.
 *
 * - `{node}`: the Node that is measured.
 * - `{programs}`: the folder of the benchmark's programs.
 * - `{folder}`: what all agents share.
 * - `{agent}`: the agent's name.
 * - `{to}`, `{text}`, `{waitMs}` and `{limit}`, in parameters only: those of the call. A parameter that is
 *   nothing but one of them has its type.
 */
export type Mailbox = Readonly<z.infer<typeof mailboxSchema>>;

const toolUse = z.strictObject({
  tool: z.string().min(1),
  parameters: z.record(z.string(), z.unknown()),
});

const mailboxSchema = z.strictObject({
  name: z.string().min(1),
  /** The program and its arguments. Where the program is not on PATH, the mailbox is not installed. */
  command: z.array(z.string()).min(1),
  environment: z.record(z.string(), z.string()),
  send: toolUse,
  receive: toolUse,
  list: toolUse,
});

/** The product, described as its rivals are. */
export function peerlineMailbox(build: Build): Mailbox {
  return {
    name: build.label,
    command: ["{node}", build.program, "mcp"],
    environment: { PEERLINE_HOME: "{folder}", PEERLINE_NAME: "{agent}" },
    send: { tool: "send_message", parameters: { to: "{to}", message: "{text}" } },
    receive: { tool: "get_messages", parameters: { wait_ms: "{waitMs}", limit: "{limit}" } },
    list: { tool: "list_peers", parameters: {} },
  };
}

/**
 * A server that keeps messages in an SQLite file which all agents' processes share: WAL with
 * synchronous=NORMAL, one commit for each message. It looks for mail once a second, and hands it to a call
 * that waits.
 */
const pollingMailbox: Mailbox = {
  name: "polling mailbox",
  command: ["{node}", "{programs}/polling-mailbox.js"],
  environment: { MAILBOX_FILE: "{folder}/mailbox.db", MAILBOX_AGENT: "{agent}" },
  send: { tool: "send_message", parameters: { to: "{to}", text: "{text}" } },
  receive: { tool: "get_messages", parameters: { wait_ms: "{waitMs}" } },
  list: { tool: "list_agents", parameters: {} },
};

/** The same with a sync for each commit, so that it keeps what a power cut comes after, as the product does. */
const syncingMailbox: Mailbox = {
  ...pollingMailbox,
  name: "polling mailbox, synced",
  environment: { ...pollingMailbox.environment, MAILBOX_SYNCHRONOUS: "FULL" },
};

/** What the product is compared with, where it is installed. */
export const rivals: readonly Mailbox[] = [
  pollingMailbox,
  syncingMailbox,
  {
    ...pollingMailbox,
    name: "polling mailbox on bun",
    command: ["bun", "{programs}/polling-mailbox.js"],
  },
];

/** A rival described in a file, as JSON. Throws what is wrong with it. */
export function readMailbox(path: string): Mailbox {
  const { data, error } = mailboxSchema.safeParse(JSON.parse(readFileSync(path, "utf8")));
  if (error !== undefined)
    throw new Error(`${path} describes no rival:\n${z.prettifyError(error)}`);
  return data;
}

export function isInstalled({ command: [program = ""] }: Mailbox): boolean {
  if (program === "{node}") return true;
  const paths = isAbsolute(program)
    ? [program]
    : (process.env["PATH"] ?? "").split(delimiter).map((folder) => join(folder, program));
  return paths.some((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

export function commandOf(
  mailbox: Mailbox,
  of: { node: string; folder: string; agent: string },
): ServerCommand {
  const words = { ...of, programs: import.meta.dirname };
  const [file = "", ...args] = mailbox.command.map((word) => fill(word, words) as string);
  const environment = fill(mailbox.environment, words) as Record<string, string>;
  return {
    file,
    args,
    environment: { ...environmentOf(of.folder), ...environment },
    folder: of.folder,
  };
}

/** One agent of a mailbox. */
export class MailboxAgent implements AsyncDisposable {
  readonly server: StdioServer;
  readonly #mailbox: Mailbox;

  private constructor(mailbox: Mailbox, server: StdioServer) {
    this.#mailbox = mailbox;
    this.server = server;
  }

  static async start(
    mailbox: Mailbox,
    of: { node: string; folder: string; agent: string },
  ): Promise<MailboxAgent> {
    return new MailboxAgent(mailbox, await StdioServer.start(commandOf(mailbox, of)));
  }

  send(to: string, text: string): Promise<unknown> {
    return this.#use(this.#mailbox.send, { to, text });
  }

  /** At most `limit` messages, where the mailbox knows such a bound. */
  receive(waitMs: number, limit = 64): Promise<unknown> {
    return this.#use(this.#mailbox.receive, { waitMs, limit });
  }

  list(): Promise<unknown> {
    return this.#use(this.#mailbox.list, {});
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.server[Symbol.asyncDispose]();
  }

  #use({ tool, parameters }: z.infer<typeof toolUse>, words: Words): Promise<unknown> {
    return this.server.call(tool, fill(parameters, words) as object);
  }
}

type Words = Readonly<Record<string, string | number>>;

/** The value with the words in their places. */
function fill(value: unknown, words: Words): unknown {
  if (Array.isArray(value)) return value.map((item) => fill(item, words));
  if (typeof value === "object" && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, fill(item, words)]));
  }
  if (typeof value !== "string") return value;
  const [, whole] = /^\{(\w+)\}$/.exec(value) ?? [];
  if (whole !== undefined && whole in words) return words[whole];
  return value.replaceAll(/\{(\w+)\}/g, (place, word: string) => String(words[word] ?? place));
}

/** The floor of all of them: a server of the SDK with two tools, and nothing else. */
export function bareServer(of: { node: string; folder: string }): ServerCommand {
  return {
    file: of.node,
    args: [join(import.meta.dirname, "bare-server.js")],
    environment: environmentOf(of.folder),
    folder: of.folder,
  };
}

/** Named here so that rows can compare with them. */
export const rivalNames = { polling: pollingMailbox.name, synced: syncingMailbox.name };
