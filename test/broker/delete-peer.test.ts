import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Closing_Reason, Outcome } from "../../gen/peerline/v1/broker_service_pb.js";
import { ReceiptState } from "../../gen/peerline/v1/message_pb.js";
import {
  eventually,
  newSecret,
  operatorToken,
  reasonOf,
  startTestBroker,
  type TestBroker,
} from "../support/test-broker.js";

describe("DeletePeer", () => {
  let broker: TestBroker;
  beforeEach(async () => void (broker = await startTestBroker()));
  afterEach(() => broker[Symbol.asyncDispose]());

  test("ends what waits for the peer, tells the senders, and frees the name", async () => {
    const api = await broker.join({ name: "api" });
    const web = await broker.join({ name: "web" });
    await api.client.unregister({});
    const { messageId } = await web.client.sendMessage({ to: ["api"], text: "one" });
    const second = await web.client.sendMessage({ to: ["api"], text: "two" });
    const mail = web.subscribe();
    await mail.expect("started");

    const operator = broker.client(operatorToken);
    const deleted = await operator.deletePeer({ peer: "api" });
    expect(deleted).toMatchObject({ undeliveredMessages: 2n, peer: { name: "api" } });

    expect((await mail.expect("delivery")).message?.text).toMatch(/2 messages of yours/);
    await mail.cancel();
    const { record } = await web.client.getMessage({ messageId });
    expect(record?.receipts).toMatchObject([
      { state: ReceiptState.DEAD_LETTERED, reason: "its recipient was deleted" },
    ]);
    expect(await reasonOf(web.client.sendMessage({ to: ["api"], text: "?" }))).toBe(
      "PEER_NOT_FOUND",
    );
    // A new peer of the name is another: the old mail is not its own, and stays where it ended.
    const successor = await broker.join({ name: "api" });
    expect(successor.registered.created).toBe(true);
    expect((await successor.client.listMessages({})).records).toEqual([]);
    const redriving = operator.redriveMessage({ messageId });
    expect(await reasonOf(redriving)).toBe("PEER_NOT_FOUND");
    await operator.dropMessage({ messageId, recipient: "api" });
    const nobody = operator.dropMessage({ messageId: second.messageId, recipient: "nobody" });
    expect(await reasonOf(nobody)).toBe("PEER_NOT_FOUND");
  });

  test("ends the session of the peer that deletes itself, with what it held", async () => {
    const api = await broker.join({ name: "api", instanceId: "one" });
    const web = await broker.join({ name: "web" });
    const stream = api.subscribe();
    await stream.expect("started");
    const { messageId } = await web.client.sendMessage({ to: ["api"], text: "held" });
    await stream.expect("delivery");
    expect((await api.client.deletePeer({})).undeliveredMessages).toBe(1n);
    expect((await stream.expect("closing")).reason).toBe(Closing_Reason.UNREGISTERED);
    expect(await reasonOf(api.client.listPeers({}))).toBe("TOKEN_INVALID");
    const { record } = await web.client.getMessage({ messageId });
    expect(record?.receipts[0]?.state).toBe(ReceiptState.DEAD_LETTERED);
    // Its secret is nobody's any more: it makes a new peer.
    const again = await broker.join({ secret: api.secret, name: "api", instanceId: "one" });
    expect(again.registered.created).toBe(true);
    expect(again.registered.peer?.peerId).not.toBe(api.registered.peer?.peerId);
  });

  test("does not count or tell as undelivered what was presented", async () => {
    const api = await broker.join({ name: "api", instanceId: "one" });
    const web = await broker.join({ name: "web" });
    const stream = api.subscribe();
    await stream.expect("started");
    const shown = await web.client.sendMessage({ to: ["api"], text: "shown" });
    const { deliveryId } = await stream.expect("delivery");
    await api.client.ackMessages({ acks: [{ deliveryId, outcome: Outcome.PRESENTED }] });
    const held = await web.client.sendMessage({ to: ["api"], text: "held" });
    await stream.expect("delivery");
    const mail = web.subscribe();
    await mail.expect("started");

    const operator = broker.client(operatorToken);
    const deleted = await operator.deletePeer({ peer: "api", evenIfLive: true });
    expect(deleted.undeliveredMessages).toBe(1n);
    const { message } = await mail.expect("delivery");
    await mail.cancel();
    expect(message?.text.split("\n")).toEqual([
      "A message of yours was not delivered:",
      expect.stringContaining(held.messageId.slice(-8)),
      "A message of yours was shown to the recipient and never confirmed:",
      expect.stringContaining(shown.messageId.slice(-8)),
    ]);
    expect(message?.data).toMatchObject({
      undelivered: [{ message_id: held.messageId }],
      unconfirmed: [{ message_id: shown.messageId }],
    });
    const { record } = await web.client.getMessage({ messageId: shown.messageId });
    expect(record?.receipts).toMatchObject([
      {
        presentedTime: expect.anything(),
        reason: "presented and never confirmed; its recipient was deleted",
      },
    ]);
  });

  test("keeps a peer that is live, unless the operator says otherwise; and another's always", async () => {
    const api = await broker.join({ name: "api", instanceId: "one" });
    const web = await broker.join({ name: "web" });
    expect(await reasonOf(web.client.deletePeer({ peer: "api" }))).toBe("NOT_ALLOWED");
    expect(await reasonOf(broker.client().deletePeer({ peer: "api" }))).toBe("TOKEN_MISSING");
    const operator = broker.client(operatorToken);
    expect(await reasonOf(operator.deletePeer({ peer: "api" }))).toBe("PEER_LIVE");
    expect(await reasonOf(operator.deletePeer({}))).toBe("FIELD_REQUIRED");
    expect(await reasonOf(operator.deletePeer({ peer: "nobody" }))).toBe("PEER_NOT_FOUND");
    await api.client.listPeers({});
    await operator.deletePeer({ peer: "api", evenIfLive: true });
    expect(await reasonOf(api.client.listPeers({}))).toBe("TOKEN_INVALID");
  });

  test("takes a peer once its connection is gone", async () => {
    const api = await broker.join({ name: "api", instanceId: "one" });
    const operator = broker.client(operatorToken);
    api.cut();
    await eventually(() => operator.deletePeer({ peer: "api" }));
    expect((await operator.listPeers({})).peers).toEqual([]);
  });

  test("a send and a return beside it find the peer, or not; nothing is left in between", async () => {
    const web = await broker.join({ name: "web" });
    const operator = broker.client(operatorToken);
    for (let round = 0; round < 20; round++) {
      const name = `going-${round}`;
      const secret = newSecret();
      const peer = await broker.join({ secret, name, instanceId: "before" });
      await peer.client.unregister({});
      const sending = web.client
        .sendMessage({ to: [name], text: "still there?" })
        .catch(() => undefined);
      const [sent, , back] = await Promise.all([
        sending,
        operator.deletePeer({ peer: name, evenIfLive: true }),
        broker.join({ secret, name, instanceId: "after" }),
      ]);
      const { peers } = await web.client.listPeers({});
      const present = peers.filter((other) => other.name.startsWith("going-"));
      if (sent !== undefined) {
        const { record } = await web.client.getMessage({ messageId: sent.messageId });
        const state = record?.receipts[0]?.state ?? 0;
        const isThere = present.some(
          ({ peerId }) => peerId === record?.receipts[0]?.recipient?.peerId,
        );
        expect(state === ReceiptState.DEAD_LETTERED || isThere).toBe(true);
      }
      expect(await reasonOf(back.client.listPeers({}))).toMatch(/no RpcError|TOKEN_INVALID/);
      await operator.deletePeer({ peer: name, evenIfLive: true }).catch(() => undefined);
    }
  });
});
