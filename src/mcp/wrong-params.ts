import { isObject, isRequestId, type RequestId } from "./json-rpc.js";

/** What a member of params may be, in words that an answer uses. */
interface Kind {
  readonly words: string;
  readonly accepts: (value: unknown) => boolean;
  readonly isOptional?: boolean;
  /** Of an object: what its members are, as far as anything here reads them. */
  readonly members?: Readonly<Record<string, Kind>>;
}

const text: Kind = { words: "text", accepts: (value) => typeof value === "string" };
const id: Kind = { words: "text or a number", accepts: isRequestId };

function object(members: Readonly<Record<string, Kind>>): Kind {
  return { words: "an object", accepts: isObject, members };
}

function optional(kind: Kind): Kind {
  return { ...kind, isOptional: true };
}

/** What any call may have beside its own. */
const common = { _meta: optional(object({ progressToken: optional(id) })) };
const anyParams = optional(object(common));

/** What the host may call here; of any other method only what all have. */
const shapes: Readonly<Record<string, Kind>> = {
  initialize: object({
    ...common,
    protocolVersion: text,
    capabilities: object({}),
    clientInfo: object({ name: text, version: text }),
  }),
  ping: anyParams,
  "tools/list": optional(object({ ...common, cursor: optional(text) })),
  "tools/call": object({ ...common, name: text, arguments: optional(object({})) }),
  "notifications/initialized": anyParams,
  "notifications/cancelled": object({ ...common, requestId: optional(id), reason: optional(text) }),
};

/**
 * What is wrong with the params of a call, in a sentence that names the member. Undefined where nothing is,
 * or where it is no call at all.
 */
export function wrongParams(
  value: unknown,
): { id: RequestId | undefined; sentence: string } | undefined {
  if (!isObject(value) || value["jsonrpc"] !== "2.0") return undefined;
  const { id: callId, method, params } = value;
  if (typeof method !== "string" || (callId !== undefined && !isRequestId(callId)))
    return undefined;
  if (params !== undefined && !isObject(params)) return undefined;
  const isKnown = Object.hasOwn(shapes, method);
  const wrong = wrongIn(params, (isKnown && shapes[method]) || anyParams, []);
  if (wrong === undefined) return undefined;
  return { id: callId, sentence: isKnown ? `${method}: ${wrong}` : wrong };
}

/** What is wrong with a value of this kind, or with a member of it. */
function wrongIn(value: unknown, kind: Kind, path: readonly string[]): string | undefined {
  if (value === undefined && kind.isOptional === true) return undefined;
  const name = path.join(".") || "params";
  if (value === undefined) return `\`${name}\` is missing: it must be ${kind.words}.`;
  if (!kind.accepts(value)) return `\`${name}\` must be ${kind.words}, not ${kindOf(value)}.`;
  for (const [member, memberKind] of Object.entries(kind.members ?? {})) {
    const wrong = wrongIn(memberOf(value, member), memberKind, [...path, member]);
    if (wrong !== undefined) return wrong;
  }
  return undefined;
}

function memberOf(value: unknown, name: string): unknown {
  return isObject(value) && Object.hasOwn(value, name) ? value[name] : undefined;
}

function kindOf(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "a list";
  return kinds[typeof value] ?? typeof value;
}

const kinds: Readonly<Record<string, string>> = {
  object: "an object",
  string: "text",
  number: "a number",
  boolean: "true or false",
};
