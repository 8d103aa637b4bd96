import {
  create,
  type DescMessage,
  type DescMethod,
  type DescMethodUnary,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import type { ClientReadableStream, Metadata } from "@grpc/grpc-js";
import { createHash, randomUUID } from "node:crypto";
import { v7 as uuidv7 } from "uuid";
import {
  BrokerService,
  type Delivery,
  Outcome,
  SubscribeResponseSchema,
} from "../../gen/peerline/v1/broker_service_pb.js";
import { ConfirmedBy } from "../../gen/peerline/v1/message_pb.js";
import { type BareClient, bearer } from "./bare-client.js";

const { register, sendMessage, subscribe, ackMessages, getServerInfo } = BrokerService.method;

/** A peer that speaks the contract with as little code as a client can have. */
export class BenchPeer {
  readonly name: string;
  readonly #client: BareClient;
  readonly #credential: Metadata;

  private constructor(name: string, client: BareClient, token: string) {
    this.name = name;
    this.#client = client;
    this.#credential = bearer(token);
  }

  static async join(client: BareClient, name: string): Promise<BenchPeer> {
    const wish = { secret: secretOf(name), name, instanceId: randomUUID() };
    const { peer, sessionToken } = await call(client, register, wish);
    if (peer?.name !== name) throw new Error(`${name} became ${peer?.name}`);
    return new BenchPeer(name, client, sessionToken);
  }

  /** Throws where any recipient did not accept it. */
  async send(to: readonly string[], text: string): Promise<void> {
    const { results } = await this.call(sendMessage, { to: [...to], text, messageId: uuidv7() });
    const refused = results.find(({ error }) => error !== undefined)?.error;
    if (refused !== undefined) throw new Error(`a send was refused: ${refused.message}`);
  }

  /** Resolves when the stream is live. What comes then goes to `onDelivery`, an early end to `onEnd`. */
  subscribe(
    onDelivery: (delivery: Delivery) => void,
    onEnd: (error: Error) => void,
  ): Promise<ClientReadableStream<Buffer>> {
    const { input } = subscribe;
    const request = toBinary(input, create(input, { maxMessages: 1024 }));
    const stream = this.#client.stream(pathOf(subscribe), request, this.#credential);
    return new Promise((resolve, reject) => {
      stream.on("data", (bytes: Buffer) => {
        const { event } = fromBinary(SubscribeResponseSchema, bytes);
        if (event.case === "started") resolve(stream);
        if (event.case === "delivery") onDelivery(event.value);
      });
      stream.on("error", (error: Error) => {
        reject(error);
        onEnd(error);
      });
    });
  }

  /** Throws where a report was not taken. */
  async confirm(deliveryIds: readonly string[]): Promise<void> {
    const acks = deliveryIds.map((deliveryId) => ({
      deliveryId,
      outcome: Outcome.CONFIRMED,
      confirmedBy: ConfirmedBy.EXPLICIT_ACK,
    }));
    const { results } = await this.call(ackMessages, { acks });
    const failed = results.find(({ error }) => error !== undefined)?.error;
    if (failed !== undefined) throw new Error(`a report was refused: ${failed.message}`);
  }

  call<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    request: MessageInitShape<I>,
  ): Promise<MessageShape<O>> {
    return call(this.#client, method, request, this.#credential);
  }
}

/** The process id of the broker behind a client. */
export async function brokerPid(client: BareClient): Promise<number> {
  return (await call(client, getServerInfo, {})).pid;
}

/** Known to whoever fills a store, too. */
export function secretOf(name: string): string {
  return createHash("sha256").update(`bench ${name}`).digest("hex");
}

async function call<I extends DescMessage, O extends DescMessage>(
  client: BareClient,
  method: DescMethodUnary<I, O>,
  request: MessageInitShape<I>,
  credential?: Metadata,
): Promise<MessageShape<O>> {
  const bytes = toBinary(method.input, create(method.input, request));
  return fromBinary(method.output, await client.call(pathOf(method), bytes, credential));
}

function pathOf(method: DescMethod): string {
  return `/${method.parent.typeName}/${method.name}`;
}
