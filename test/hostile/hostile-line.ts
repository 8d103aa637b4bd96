import type { Chance } from "./chance.js";
import { hostileText } from "./hostile-text.js";

/** A line on the standard input of an adapter. Its id, where it has one, is no number below `idsFrom`. */
export function hostileLine(chance: Chance): string {
  const roll = chance.next();
  if (roll < 0.1) return chance.bytes(chance.int(300)).toString("latin1").replaceAll("\n", " ");
  if (roll < 0.2) return chance.pick(notMessages);
  if (roll < 0.205) return "[".repeat(chance.int(20_000));
  if (roll < 0.206)
    return JSON.stringify({ jsonrpc: "2.0", id: 1e9, method: "x".repeat(1_000_000) });
  const line = JSON.stringify(roll < 0.4 ? hostileRequest(chance) : toolCall(chance));
  if (chance.is(0.9)) return line;
  const cut = chance.int(line.length);
  return chance.is(0.5)
    ? line.slice(0, cut)
    : line.slice(0, cut) + hostileText(chance) + line.slice(cut + 1);
}

/** Ids below this one are the test's own. */
export const idsFrom = 1_000_000;

const notMessages = [
  "",
  "null",
  "0",
  "[]",
  "{}",
  "[[]]",
  '"text"',
  '{"jsonrpc":"2.0"}',
  '{"jsonrpc":"1.0","id":1000001,"method":"ping"}',
  '{"jsonrpc":"2.0","id":null,"method":"ping"}',
  '{"jsonrpc":"2.0","id":{},"method":"ping"}',
  '{"jsonrpc":"2.0","id":1000002,"result":{}}',
  '{"jsonrpc":"2.0","id":1000003,"error":{"code":"x"}}',
  '{"__proto__":{"polluted":1},"jsonrpc":"2.0","id":1000004,"method":"ping"}',
  "\u0000\u0001\u0002",
  "\ufeff{}",
] as const;

function hostileRequest(chance: Chance): object {
  return {
    jsonrpc: "2.0",
    ...(chance.is(0.8)
      ? { id: chance.is(0.8) ? idsFrom + chance.int(1e6) : hostileText(chance) }
      : {}),
    method: chance.is(0.8) ? chance.pick(methods) : hostileText(chance),
    params: hostileValue(chance, 0),
  };
}

const methods = [
  "initialize",
  "ping",
  "tools/list",
  "tools/call",
  "resources/list",
  "prompts/get",
  "logging/setLevel",
  "completion/complete",
  "sampling/createMessage",
  "notifications/cancelled",
  "notifications/initialized",
  "notifications/progress",
  "notifications/roots/list_changed",
] as const;

function toolCall(chance: Chance): object {
  const name = chance.is(0.95) ? chance.pick(tools) : hostileText(chance);
  const given = Object.fromEntries(
    Array.from({ length: chance.int(4) }, () => [
      chance.is(0.9) ? chance.pick(parameters) : hostileText(chance),
      hostileValue(chance, 0),
    ]),
  );
  // Waiting is what a call with this parameter asks for: no more of it than the test has time for.
  if ("wait_ms" in given) given["wait_ms"] = chance.pick([-1, 0, 1, 0.5, "5", "soon", null]);
  return {
    jsonrpc: "2.0",
    id: idsFrom + chance.int(1e6),
    method: "tools/call",
    params: {
      name,
      arguments: chance.is(0.95) ? given : hostileValue(chance, 0),
      ...(chance.is(0.1) ? { _meta: hostileValue(chance, 0) } : {}),
    },
  };
}

const tools = [
  "list_peers",
  "send_message",
  "get_messages",
  "set_name",
  "set_summary",
  "message_status",
] as const;

const parameters = [
  "to",
  "message",
  "text",
  "in_reply_to",
  "thread_id",
  "urgency",
  "expires_in",
  "wait_ms",
  "from",
  "limit",
  "peek",
  "name",
  "summary",
  "message_id",
  "__proto__",
  "constructor",
] as const;

function hostileValue(chance: Chance, depth: number): unknown {
  const roll = chance.next();
  if (roll < 0.6 || depth > 5) return hostileText(chance);
  if (roll < 0.8) return chance.pick([null, true, 0, -1, 0.5, 1e308, 2 ** 53, [], {}, ""]);
  const length = chance.int(chance.is(0.02) ? 300 : 4);
  const values = Array.from({ length }, () => hostileValue(chance, depth + 1));
  if (roll < 0.9) return values;
  return Object.fromEntries(values.map((value) => [hostileText(chance), value]));
}
