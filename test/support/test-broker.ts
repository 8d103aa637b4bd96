import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { expect } from "vitest";
import { ErrorInfoSchema } from "../../gen/google/rpc/error_details_pb.js";
import type { Status } from "../../gen/google/rpc/status_pb.js";
import {
  BrokerService,
  type Backlog,
  type Closing,
  type Delivery,
  type SenderRenamed,
  type Started,
  type RegisterRequestSchema,
  type RegisterResponse,
  type SubscribeRequestSchema,
  type SubscribeResponse,
} from "../../gen/peerline/v1/broker_service_pb.js";
import type { BrokerSettings } from "../../src/contract/settings.js";
import { BrokerError, describeFault } from "../../src/broker/broker-error.js";
import { ErrorReason } from "../../gen/peerline/v1/error_reason_pb.js";
import { createBroker, type Broker } from "../../src/broker/broker.js";
import type { Store } from "../../src/broker/store/store.js";
import { systemClock, type Clock } from "../../src/clock.js";
import { createClient, openChannel, type Client } from "../../src/rpc/client.js";
import { RpcError } from "../../src/rpc/error.js";
import { createServer } from "../../src/rpc/server.js";
import { errorOf } from "../../src/rpc/status.js";
import { fieldReasons, reasonsOfAny, reasonsOfCalls } from "./listed-reasons.js";
import { openMemoryStore } from "../store/memory/memory-store.js";

export { eventually } from "./eventually.js";

export const operatorToken = "operator-token-of-the-tests-0123456789";

/** A real broker behind a real socket, in this process. */
export interface TestBroker extends AsyncDisposable {
  readonly address: string;
  readonly broker: Broker;
  readonly defects: unknown[];
  readonly warnings: string[];
  stopsAsked: number;
  /** A client with this token, or none. Closed with the broker. */
  client(token?: string): Client<typeof BrokerService>;
  /** Registers a new peer, or the peer of `secret`, on a channel of its own. */
  join(request?: MessageInitShape<typeof RegisterRequestSchema>): Promise<TestPeer>;
}

export interface TestPeer {
  readonly name: string;
  readonly secret: string;
  readonly registered: RegisterResponse;
  readonly client: Client<typeof BrokerService>;
  subscribe(request?: MessageInitShape<typeof SubscribeRequestSchema>): TestStream;
  /** Cuts the connection, as a killed process does. */
  cut(): void;
}

export async function startTestBroker(
  options: {
    store?: Store;
    keepStore?: boolean;
    clock?: Clock;
    settings?: BrokerSettings;
    /** What the machine calls itself that it runs on. */
    host?: string;
    /** What it is called among the brokers of its store. */
    brokerId?: string;
    /** Bounds of its server, where the test is to meet them. */
    server?: Pick<Parameters<typeof createServer>[0], "bounds" | "maxUnreadBytes">;
  } = {},
): Promise<TestBroker> {
  const clock = options.clock ?? systemClock;
  const folder = await mkdtemp(join(tmpdir(), "pl-"));
  const address = `unix:${join(folder, "b.sock")}`;
  const store = options.store ?? openMemoryStore({ clock });
  const defects: unknown[] = [];
  const warnings: string[] = [];
  const log = {
    info: () => undefined,
    warn: (_fields: object, message: string) => void warnings.push(message),
    error: (_fields: object, message: string) => void warnings.push(message),
  };
  const unlisted: string[] = [];
  const asked = { stops: 0 };
  const onStop = (): void => void asked.stops++;
  const broker = await createBroker({
    store,
    clock,
    log,
    version: "0.0.0-test",
    operatorToken,
    onStop,
    ...(options.host === undefined ? {} : { host: options.host }),
    ...(options.brokerId === undefined ? {} : { brokerId: options.brokerId }),
    ...(options.settings === undefined ? {} : { settings: options.settings }),
  });
  const server = createServer({
    services: [{ ...broker.service, impl: noting(broker.service.impl, unlisted) }],
    describe: describeFault,
    ...options.server,
    onDefect: (error) => void defects.push(error),
  });
  await server.listen(address);
  const channels: { close(): void }[] = [];

  function client(token?: string): Client<typeof BrokerService> {
    const channel = openChannel(address);
    channels.push(channel);
    return createClient(BrokerService, channel, { headers: () => bearer(token) });
  }

  return {
    address,
    broker,
    defects,
    warnings,
    get stopsAsked() {
      return asked.stops;
    },
    client,
    async join(request = {}) {
      const channel = openChannel(address);
      channels.push(channel);
      const secret = request.secret ?? newSecret();
      let token: string | undefined;
      const own = createClient(BrokerService, channel, { headers: () => bearer(token) });
      const registered = await own.register({ ...request, secret });
      token = registered.sessionToken;
      return {
        name: registered.peer?.name ?? "",
        secret,
        registered,
        client: own,
        subscribe: (wish = {}) => new TestStream(own, wish),
        cut: () => channel.close(),
      };
    },
    async [Symbol.asyncDispose]() {
      await broker.close();
      for (const channel of channels) channel.close();
      await server.stop(500);
      if (options.keepStore !== true) await store[Symbol.asyncDispose]();
      await rm(folder, { recursive: true, force: true });
      expect(defects, "errors that the broker did not expect").toEqual([]);
      expect(unlisted, "reasons that a call does not list in the contract").toEqual([]);
    },
  };
}

/** The handlers of the broker; what they refuse for a reason that their call does not list is noted. */
function noting(impl: object, unlisted: string[]): object {
  const note = (call: string, reason: string): void => {
    const listed = reasonsOfCalls.get(call) ?? [];
    const isField = fieldReasons.includes(reason) && listed.includes("FIELD_*");
    if (!isField && !listed.includes(reason) && !reasonsOfAny.has(reason)) {
      unlisted.push(`${call}: ${reason}`);
    }
  };
  const noteError = (call: string, error: unknown): void => {
    if (error instanceof BrokerError) note(call, ErrorReason[error.reason]);
  };
  const noteEntries = (call: string, response: object): void => {
    if (!("results" in response) || !Array.isArray(response.results)) return;
    for (const entry of response.results as { error?: Status }[]) {
      const reason = entryReason(entry);
      if (reason !== undefined) note(call, reason);
    }
  };
  async function* notingStream(call: string, stream: AsyncIterable<unknown>) {
    try {
      yield* stream;
    } catch (error) {
      noteError(call, error);
      throw error;
    }
  }
  async function notingAnswer(call: string, answer: Promise<object>): Promise<object> {
    try {
      const response = await answer;
      noteEntries(call, response);
      return response;
    } catch (error) {
      noteError(call, error);
      throw error;
    }
  }
  return Object.fromEntries(
    BrokerService.methods.map(({ name, localName, methodKind }) => {
      const handler = Reflect.get(impl, localName) as (...args: unknown[]) => never;
      return [
        localName,
        methodKind === "unary"
          ? (...args: unknown[]) => notingAnswer(name, handler.apply(impl, args))
          : (...args: unknown[]) => notingStream(name, handler.apply(impl, args)),
      ];
    }),
  );
}

interface EventValues {
  readonly started: Started;
  readonly delivery: Delivery;
  readonly backlog: Backlog;
  readonly closing: Closing;
  readonly senderRenamed: SenderRenamed;
}

/** A subscription read event by event. */
export class TestStream {
  readonly #abort = new AbortController();
  readonly #events: AsyncIterator<SubscribeResponse>;

  constructor(
    client: Client<typeof BrokerService>,
    request: MessageInitShape<typeof SubscribeRequestSchema>,
  ) {
    this.#events = client
      .subscribe(request, { signal: this.#abort.signal })
      [Symbol.asyncIterator]();
  }

  /** The next event; fails when the stream ends. */
  async next(): Promise<SubscribeResponse["event"]> {
    const result = await this.#events.next();
    if (result.done === true) throw new Error("the stream ended");
    return result.value.event;
  }

  /** The next event, which must be of this case. */
  async expect<Case extends keyof EventValues>(wanted: Case): Promise<EventValues[Case]> {
    const event = await this.next();
    expect(event.case).toBe(wanted);
    return event.value as EventValues[Case];
  }

  /** The error that the stream ends with. */
  async failure(): Promise<unknown> {
    try {
      while (!(await this.#events.next()).done);
    } catch (error) {
      return error;
    }
    return undefined;
  }

  async cancel(): Promise<void> {
    this.#abort.abort();
    await this.failure();
  }
}

export function newSecret(): string {
  return randomBytes(32).toString("base64url");
}

/** The reason of a failed call. */
export async function reasonOf(call: Promise<unknown>): Promise<string> {
  const error = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  return reasonIn(error);
}

export function reasonIn(error: unknown): string {
  if (!(error instanceof RpcError)) return `no RpcError: ${String(error)}`;
  return error.findDetail(ErrorInfoSchema)?.reason ?? `no ErrorInfo: ${error.message}`;
}

/** The reason of an entry that failed; undefined where it went well. */
export function entryReason({ error }: { error?: Status | undefined }): string | undefined {
  return error === undefined ? undefined : reasonIn(errorOf(error));
}

function bearer(token: string | undefined): Record<string, string> {
  return token === undefined ? {} : { authorization: `Bearer ${token}` };
}
