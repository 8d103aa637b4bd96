/** The id of a request: text or a whole number. */
export type RequestId = string | number;

export type Params = Readonly<Record<string, unknown>>;

export interface Request {
  readonly jsonrpc: "2.0";
  readonly id: RequestId;
  readonly method: string;
  readonly params?: Params;
}

export interface Notification {
  readonly jsonrpc: "2.0";
  readonly method: string;
  readonly params?: Params;
}

export interface Result {
  readonly jsonrpc: "2.0";
  readonly id: RequestId;
  readonly result: object;
}

export interface Failure {
  readonly jsonrpc: "2.0";
  readonly id: RequestId;
  readonly error: { readonly code: number; readonly message: string };
}

export type Message = Request | Notification | Result | Failure;

export const ErrorCode = {
  parse: -32_700,
  invalidRequest: -32_600,
  methodNotFound: -32_601,
  invalidParams: -32_602,
  internal: -32_603,
} as const;

export function isRequestId(value: unknown): value is RequestId {
  return typeof value === "string" || Number.isSafeInteger(value);
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The message that a value is; undefined where it is none. */
export function asMessage(value: unknown): Message | undefined {
  if (!isObject(value) || value["jsonrpc"] !== "2.0") return undefined;
  const { id, method, params, result, error } = value;
  const isMessage =
    method === undefined
      ? isRequestId(id) && (isObject(result) || isError(error))
      : typeof method === "string" &&
        (id === undefined || isRequestId(id)) &&
        (params === undefined || isObject(params));
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- all that the type says has just been looked at
  return isMessage ? (value as unknown as Message) : undefined;
}

function isError(value: unknown): boolean {
  if (!isObject(value)) return false;
  const { code, message } = value;
  return Number.isSafeInteger(code) && typeof message === "string";
}
