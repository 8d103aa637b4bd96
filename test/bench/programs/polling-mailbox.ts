import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { StdioServerTransport } from "@modelcontextprotocol/sdk/server/stdio.js";
import Database from "libsql";
import { z } from "zod";

// The rival: one process for each agent, and an SQLite file that all of them share. Each message is a
// commit of its own, in WAL mode with synchronous=NORMAL, as such tools have it: no sync for each message.
// With MAILBOX_SYNCHRONOUS=FULL each is synced.
// Once a second it looks for mail, and hands what it finds to a call that waits for it.
const path = process.env["MAILBOX_FILE"] ?? "mailbox.db";
const agent = process.env["MAILBOX_AGENT"] ?? "agent";
const pollMs = 1000;

const database = new Database(path);
database.pragma("busy_timeout = 5000");
database.pragma("journal_mode = WAL");
database.pragma(`synchronous = ${process.env["MAILBOX_SYNCHRONOUS"] ?? "NORMAL"}`);
database.exec(`
  CREATE TABLE IF NOT EXISTS agents (name TEXT PRIMARY KEY, seen INTEGER NOT NULL);
  CREATE TABLE IF NOT EXISTS messages (
    id INTEGER PRIMARY KEY AUTOINCREMENT, sender TEXT NOT NULL, recipient TEXT NOT NULL,
    text TEXT NOT NULL, sent INTEGER NOT NULL, read INTEGER NOT NULL DEFAULT 0
  );
  CREATE INDEX IF NOT EXISTS unread ON messages (recipient, read, id);
`);
const insert = database.prepare(
  "INSERT INTO messages (sender, recipient, text, sent) VALUES (?, ?, ?, ?)",
);
const unread = database.prepare(
  "SELECT id, sender, text, sent FROM messages WHERE recipient = ? AND read = 0 ORDER BY id",
);
const markRead = database.prepare("UPDATE messages SET read = 1 WHERE recipient = ? AND id <= ?");
const agents = database.prepare("SELECT name, seen FROM agents ORDER BY seen DESC");
const greet = database.prepare("INSERT OR REPLACE INTO agents (name, seen) VALUES (?, ?)");
greet.run(agent, Date.now());

interface Mail {
  readonly id: number;
}
let waiting: ((mail: Mail[]) => void) | undefined;

function takeMail(): Mail[] {
  const mail = unread.all(agent) as Mail[];
  const last = mail.at(-1);
  if (last !== undefined) markRead.run(agent, last.id);
  return mail;
}

setInterval(() => {
  if (waiting === undefined) return;
  const mail = takeMail();
  if (mail.length > 0) waiting(mail);
}, pollMs);

const server = new McpServer({ name: "polling-mailbox", version: "1.0.0" });
server.registerTool(
  "send_message",
  {
    description: "Sends a message to another agent.",
    inputSchema: { to: z.string().min(1), text: z.string().min(1) },
  },
  ({ to, text }) => {
    const { lastInsertRowid } = insert.run(agent, to, text, Date.now());
    return told({ id: Number(lastInsertRowid), to });
  },
);
server.registerTool("list_agents", { description: "Lists the agents.", inputSchema: {} }, () =>
  told({ agents: agents.all() }),
);
server.registerTool(
  "get_messages",
  {
    description: "Returns new messages; waits for one if there is none.",
    inputSchema: { wait_ms: z.int().min(0).optional() },
  },
  async ({ wait_ms: waitMs = 0 }) => {
    const mail = takeMail();
    return told({ messages: mail.length > 0 || waitMs === 0 ? mail : await nextMail(waitMs) });
  },
);
await server.connect(new StdioServerTransport());
process.stdin.once("end", () => process.exit());

function nextMail(waitMs: number): Promise<Mail[]> {
  return new Promise((resolve) => {
    const end = (mail: Mail[]): void => {
      waiting = undefined;
      clearTimeout(timer);
      resolve(mail);
    };
    const timer = setTimeout(() => end([]), waitMs);
    waiting = end;
  });
}

function told(facts: object): { content: { type: "text"; text: string }[] } {
  return { content: [{ type: "text", text: JSON.stringify(facts) }] };
}
