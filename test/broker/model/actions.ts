import { randomUUID } from "node:crypto";
import { expect } from "vitest";
import { Outcome, type SendResult } from "../../../gen/peerline/v1/broker_service_pb.js";
import { ReceiptState } from "../../../gen/peerline/v1/message_pb.js";
import type { StoppedClock } from "../../support/stopped-clock.js";
import { entryReason, eventually, newSecret, reasonOf } from "../../support/test-broker.js";
import type { DrivenBroker } from "./driven-broker.js";
import type { Model, ModelMessage, ModelPeer } from "./model.js";
import type { Step } from "./steps.js";

const maxPeers = 4;
const minuteMs = 60_000;
/** Answers this far apart are no storm. */
const betweenRepliesMs = 6000;
export interface World {
  readonly model: Model;
  readonly broker: DrivenBroker;
  readonly clock: StoppedClock;
}

/** Does a step to the broker and to the model, and holds the answers against each other. */
export async function perform(world: World, step: Step): Promise<void> {
  const { model, broker, clock } = world;
  switch (step.do) {
    case "join":
      if (model.peers.length < maxPeers) await join(world, step.name);
      return;
    case "return":
      return comeBack(world, pick(model.peers, step.peer), step.asNewInstance);
    case "restart":
      return broker.restart();
    case "pass time":
      return clock.advance(step.minutes * minuteMs);
    case "repeat": {
      const message = pick(model.messages, step.message);
      if (message !== undefined && isActive(world, message.from))
        await repeat(world, message, peersOf(world, step.to), step.otherText);
      return;
    }
    default: {
      const peer = pick(model.peers, step.peer);
      if (peer !== undefined && isActive(world, peer)) await act(world, peer, step);
    }
  }
}

/** What a peer with a session does. */
async function act(
  world: World,
  peer: ModelPeer,
  step: Exclude<Step, { do: "join" | "return" | "restart" | "pass time" | "repeat" }>,
): Promise<void> {
  const { model, broker } = world;
  const client = broker.client(peer);
  switch (step.do) {
    case "subscribe":
      return broker.subscribe(peer, step.credit);
    case "unregister":
      await broker.unregister(peer);
      expect(await reasonOf(client.listPeers({}))).toBe("TOKEN_INVALID");
      return;
    case "cut":
      return broker.cut(peer);
    case "rename":
      return rename(world, peer, step.name);
    case "send":
      return send(world, newMessage(world, peer, step.minutes), peersOf(world, step.to));
    case "reply": {
      const answers = pick(model.messages, step.message);
      if (answers !== undefined)
        await reply(world, peer, answers, [answers.from, ...peersOf(world, step.to)]);
      return;
    }
    case "list": {
      const seen = (await broker.history(client)).map(({ message }) => message?.messageId);
      expect(seen).toEqual(model.visibleTo(peer).map(({ messageId }) => messageId));
      return;
    }
    case "get": {
      const message = pick(model.messages, step.message);
      if (message !== undefined) await get(world, peer, message);
      return;
    }
    case "report": {
      const deliveryId = pick([...peer.received.keys()].toReversed(), step.delivery);
      if (deliveryId !== undefined) await report(world, peer, deliveryId, step.outcome);
      return;
    }
    case "report another's": {
      const owner = pick(model.peers, step.owner);
      const deliveryId = [...(owner?.received.keys() ?? [])].at(-1);
      if (owner !== peer && deliveryId !== undefined)
        await report(world, peer, deliveryId, Outcome.CONFIRMED);
    }
  }
}

async function join({ model, broker }: World, wanted: string): Promise<void> {
  const secret = newSecret();
  const expected = model.freeName(wanted);
  const connection = await broker.register({ secret, instance: 1, name: wanted });
  expect(connection.name).toBe(expected);
  const peer: ModelPeer = {
    peerId: connection.registered.peer?.peerId ?? "",
    secret,
    name: expected,
    instance: 1,
    hasSession: true,
    stream: undefined,
    isLost: false,
    unconfirmed: new Map(),
    received: new Map(),
  };
  model.peers.push(peer);
  broker.use(peer, connection);
}

/** Comes back after a cut, an Unregister or the broker's restart. */
async function comeBack(
  world: World,
  peer: ModelPeer | undefined,
  asNewInstance: boolean,
): Promise<void> {
  if (peer === undefined || isActive(world, peer)) return;
  const { secret, name } = peer;
  const instance = asNewInstance ? peer.instance + 1 : peer.instance;
  // Until the broker has noticed a cut, another instance is kept away.
  const connection = await eventually(() => world.broker.register({ secret, instance, name: "" }));
  expect(connection.registered).toMatchObject({
    created: false,
    peer: { peerId: peer.peerId, name },
  });
  peer.instance = instance;
  peer.hasSession = true;
  world.broker.use(peer, connection);
}

async function rename({ model, broker }: World, peer: ModelPeer, name: string): Promise<void> {
  const isTaken = model.peers.some((other) => other !== peer && other.name === name);
  const renaming = broker.client(peer).updatePeer({ name });
  if (isTaken) {
    expect(await reasonOf(renaming)).toBe("NAME_TAKEN");
  } else {
    await renaming;
    const former = peer.name;
    peer.name = name;
    if (former === name) return;
    const asking = broker.client(peer).listMessages({ peer: former });
    expect(await reasonOf(asking)).toBe("PEER_NOT_FOUND");
  }
}

async function send(
  { model, broker }: World,
  message: ModelMessage,
  to: readonly ModelPeer[],
): Promise<void> {
  const places = model.send(message, to);
  const { results } = await broker.client(message.from).sendMessage(requestOf(message, to));
  expect(results.map(({ recipient }) => recipient?.peerId)).toEqual(
    [...places.keys()].map(({ peerId }) => peerId),
  );
  for (const [index, [peer, { isNew }]] of [...places].entries()) {
    const { state, duplicate, error } = results[index] as SendResult;
    expect({ duplicate, error }).toEqual({ duplicate: !isNew, error: undefined });
    const delivery = message.deliveries.get(peer);
    if (isNew) expect(state).toBe(ReceiptState.QUEUED);
    else if (delivery !== undefined) expect(model.allowedStates(delivery)).toContain(state);
  }
}

async function repeat(
  world: World,
  message: ModelMessage,
  to: readonly ModelPeer[],
  withOtherText: boolean,
): Promise<void> {
  if (!withOtherText && message.expireMs > world.clock.now()) return send(world, message, to);
  if (!withOtherText) {
    // Once its time is over it takes no further recipient.
    const known = to.filter((peer) => message.deliveries.has(peer));
    if (known.length > 0) return send(world, message, known);
    const adding = world.broker.client(message.from).sendMessage(requestOf(message, to));
    expect(await reasonOf(adding)).toBe(to.length === 0 ? "FIELD_REQUIRED" : "MESSAGE_ID_REUSED");
    return;
  }
  const request = { ...requestOf(message, to), text: "other words" };
  const repeating = world.broker.client(message.from).sendMessage(request);
  expect(await reasonOf(repeating)).toBe("MESSAGE_ID_REUSED");
}

/** Answers a message, or tries to answer one that the peer neither sent nor received. */
async function reply(
  world: World,
  peer: ModelPeer,
  answers: ModelMessage,
  to: readonly ModelPeer[],
): Promise<void> {
  world.clock.advance(betweenRepliesMs);
  // Whether it is answered or has expired by then is the broker's to decide.
  const answered = answers.deliveries.get(peer);
  if (answered !== undefined && world.model.mayExpire(answered)) return;
  const message = newMessage(world, peer, 100, answers);
  if (world.model.visibleTo(peer).includes(answers)) return send(world, message, to);
  const replying = world.broker.client(peer).sendMessage(requestOf(message, to));
  expect(await reasonOf(replying)).toBe("MESSAGE_NOT_FOUND");
}

async function get({ model, broker }: World, peer: ModelPeer, message: ModelMessage) {
  const getting = broker.client(peer).getMessage({ messageId: message.messageId });
  if (!model.visibleTo(peer).includes(message)) {
    expect(await reasonOf(getting)).toBe("MESSAGE_NOT_FOUND");
    return;
  }
  const { record } = await getting;
  expect(record?.message?.text).toBe(message.text);
  const told = record?.receipts.map(({ recipient }) => recipient?.peerId);
  const visible = [...message.deliveries.keys()].filter(
    (recipient) => message.from === peer || recipient === peer,
  );
  expect(told?.toSorted()).toEqual(visible.map(({ peerId }) => peerId).toSorted());
}

async function report(
  { model, broker }: World,
  peer: ModelPeer,
  deliveryId: string,
  outcome: Outcome,
): Promise<void> {
  const expected = model.report(peer, deliveryId, outcome);
  const { results } = await broker.client(peer).ackMessages({ acks: [{ deliveryId, outcome }] });
  const [answer] = results.map((result) => entryReason(result) ?? result.state);
  expect(expected, `${Outcome[outcome]} of ${deliveryId}`).toContain(answer);
}

function newMessage(
  { model, clock }: World,
  from: ModelPeer,
  minutes: number,
  answers?: ModelMessage,
): ModelMessage {
  const expiresInMs = minutes * minuteMs;
  return {
    messageId: randomUUID(),
    from,
    text: `message ${model.messages.length + 1}`,
    expiresInMs,
    expireMs: clock.now() + expiresInMs,
    answers,
    deliveries: new Map(),
  };
}

function requestOf(message: ModelMessage, to: readonly ModelPeer[]) {
  return {
    to: to.map(({ name, peerId }, place) => (place % 2 === 0 ? name : peerId)),
    messageId: message.messageId,
    text: message.text,
    inReplyTo: message.answers?.messageId ?? "",
    expiresIn: { seconds: BigInt(message.expiresInMs / 1000) },
  };
}

function isActive({ broker }: World, peer: ModelPeer): boolean {
  return peer.hasSession && broker.isConnected(peer);
}

function peersOf({ model }: World, indexes: readonly number[]): ModelPeer[] {
  return indexes.flatMap((index) => pick(model.peers, index) ?? []);
}

function pick<T>(list: readonly T[], index: number): T | undefined {
  return list[index % list.length];
}
