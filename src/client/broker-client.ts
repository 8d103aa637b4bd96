import { create, type DescField, type DescMessage, type Message } from "@bufbuild/protobuf";
import { anyIs } from "@bufbuild/protobuf/wkt";
import { ErrorInfoSchema } from "../../gen/google/rpc/error_details_pb.js";
import { BrokerService } from "../../gen/peerline/v1/broker_service_pb.js";
import { isGivenName, isHostName } from "../contract/names.js";
import { visibleLine } from "../contract/peer-text.js";
import { createClient, type AnswerCheck, type Channel, type Client } from "../rpc/client.js";
import { RpcError } from "../rpc/error.js";
import { maxAnswerLine } from "./limits.js";

export type BrokerClient = Client<typeof BrokerService>;

/**
 * The calls of a broker. Who answers may be hostile: a broker of another machine that was joined, or a program
 * behind a socket that PEERLINE_BROKER names. So all that comes is checked here, before anybody sees it, by the
 * kind of its field:
 *
 * - A name, or an id, that has not the form of one becomes `?`, which names nobody.
 * - Text that peers wrote is left as it is: whoever shows it filters it.
 * - What only a broker reads again, such as a token, is left as it is.
 * - Any other text, and the words of errors, become one visible line of bounded length.
 */
export function createBrokerClient(
  channel: Channel,
  headers?: () => Readonly<Record<string, string>>,
): BrokerClient {
  return createClient(BrokerService, channel, { headers, check });
}

const check: AnswerCheck = {
  response: cleanMessage,
  error: (error) => {
    const info = error.findDetail(ErrorInfoSchema);
    const facts = Object.entries(info?.metadata ?? {});
    const words = line(error.message);
    if (words === error.message && facts.every(([, fact]) => fact === line(fact))) return error;
    const metadata = Object.fromEntries(facts.map(([key, fact]) => [key, line(fact)]));
    const details = error.details.map((detail) =>
      info !== undefined && anyIs(detail, ErrorInfoSchema)
        ? { schema: ErrorInfoSchema, message: create(ErrorInfoSchema, { ...info, metadata }) }
        : detail,
    );
    return new RpcError(error.code, words, { details, cause: error.cause });
  },
};

type Clean = (text: string) => string;

const name: Clean = (text) => (isGivenName(text) ? text : nobody);
const host: Clean = (text) => (text === "" || isHostName(text) ? text : nobody);
const id: Clean = (text) => (/^[A-Za-z0-9._:-]{0,64}$/.test(text) ? text : nobody);
const asIs: Clean = (text) => text;
const line: Clean = (text) =>
  text.length <= maxAnswerLine && /^[ -~]*$/.test(text)
    ? text
    : visibleLine(text.slice(0, maxAnswerLine));

/** Stands for a name or an id that is none. It is no peer's name, and reads as none. */
const nobody = "?";

/** How each field of text is read; a field that is not named here is one line. */
const kinds: Readonly<Record<string, Clean>> = {
  "PeerRef.name": name,
  "Peer.name": name,
  "Backlog.senders": name,
  "Backlog.sender_hosts": host,
  "Delivery.sender_host": host,
  "Machine.name": host,
  // Peers wrote these.
  "Message.text": asIs,
  "Receipt.reason": asIs,
  // The broker alone reads these again.
  "Delivery.delivery_id": asIs,
  "AckResult.delivery_id": asIs,
  "RegisterResponse.session_token": asIs,
  "CreateEnrolmentResponse.token": asIs,
  "ListPeersResponse.next_page_token": asIs,
  "ListMessagesResponse.next_page_token": asIs,
};

/** Messages that hold nothing but text of peers. */
const peersOwn: ReadonlySet<string> = new Set(["peerline.v1.Profile"]);

function kindOf({ parent, name: field }: DescField): Clean {
  const kind = kinds[`${parent.name}.${field}`];
  if (kind !== undefined) return kind;
  return /(?:^|_)(?:id|in_reply_to)$/.test(field) ? id : line;
}

/** Cleans a value of a field in place, or gives another one for it. */
type Step = (value: unknown) => unknown;

/** The steps of each type of message, made when it first comes. */
const plans = new Map<DescMessage, readonly (readonly [DescField, Step])[]>();

function cleanMessage(schema: DescMessage, message: Message): void {
  for (const [field, step] of planOf(schema)) {
    // Of a oneof only the member that is set is there.
    const owner: unknown =
      field.oneof === undefined ? message : Reflect.get(message, field.oneof.localName);
    if (field.oneof !== undefined && Reflect.get(owner as object, "case") !== field.localName)
      continue;
    const key = field.oneof === undefined ? field.localName : "value";
    const value: unknown = Reflect.get(owner as object, key);
    if (value === undefined) continue;
    const cleaned = step(value);
    if (cleaned !== value) Reflect.set(owner as object, key, cleaned);
  }
}

function planOf(schema: DescMessage): readonly (readonly [DescField, Step])[] {
  let plan = plans.get(schema);
  if (plan === undefined) {
    plan = schema.fields.flatMap((field) => {
      const step = stepOf(field);
      return step === undefined ? [] : [[field, step] as const];
    });
    plans.set(schema, plan);
  }
  return plan;
}

/** Undefined for a field that holds no text of the broker's. */
function stepOf(field: DescField): Step | undefined {
  const { message: schema } = field;
  if (field.fieldKind === "map" || (schema !== undefined && isLeft(schema))) return undefined;
  const one = schema === undefined ? textStep(field) : messageStep(schema);
  if (one === undefined || field.fieldKind !== "list") return one;
  return (list) => {
    const values = list as unknown[];
    for (const [index, value] of values.entries()) values[index] = one(value);
    return values;
  };
}

function messageStep(schema: DescMessage): Step {
  return (message) => {
    cleanMessage(schema, message as Message);
    return message;
  };
}

function textStep(field: DescField): Step | undefined {
  const kind = kindOf(field);
  if (kind === asIs) return undefined;
  return (value) => (typeof value === "string" ? kind(value) : value);
}

/** Types of protobuf's own, such as times and the data of messages, and what peers say of themselves. */
function isLeft({ typeName }: DescMessage): boolean {
  return typeName.startsWith("google.protobuf.") || peersOwn.has(typeName);
}
