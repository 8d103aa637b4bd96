import { toBinary } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { MessageSchema, ReceiptState } from "../../../gen/peerline/v1/message_pb.js";
import { ProfileSchema } from "../../../gen/peerline/v1/peer_pb.js";
import { sumWithoutKey } from "../../../src/store/sqlite/damage/checksums.js";
import { applicationId, migrations } from "../../../src/store/sqlite/schema.js";
import { messageTable } from "../../../src/store/sqlite/tables.js";
import { stamp } from "../../../src/store/stored-message.js";
import { silent } from "../../contract/store/bell.js";
import { alice, ample, bob, draft, sendFirst, texts } from "../../contract/store/drafts.js";
import { listTexts } from "../../contract/store/history.js";
import { peersOfTrial } from "../../faults/flipped-peers.js";
import { execute } from "./execute.js";
import { openStore } from "./open-store.js";
import { temporaryDatabase } from "./temporary-database.js";
import { peersOf } from "../../contract/store/records.js";

test("what the first version stored is as it was, and has checksums from then on", async () => {
  const path = firstDatabase();
  const store = await openStore(path);
  expect(await peersOf(store)).toEqual(peersOfTrial);
  expect(await listTexts(store)).toEqual(["3", "2", "1"]);
  await store[Symbol.asyncDispose]();

  execute(path, "UPDATE delivery SET attempts = 7 WHERE seq = 3");
  const reopened = await openStore(path);
  const offered = await reopened.queues.open({ peerId: bob.peerId, epoch: 1 }, silent).next(ample);
  expect(texts(offered)).toEqual(["2", "3"]);
  expect(offered.map(({ redelivered }) => redelivered)).toEqual([false, true]);
  expect(await reopened.health()).toMatchObject({ damagedMessages: 1 });
});

test("what was damaged in the first version stays told from what is whole", async () => {
  const path = firstDatabase();
  execute(path, "UPDATE message SET from_name = CAST(x'ff' AS TEXT) WHERE id = 2");
  const store = await openStore(path);
  expect(await listTexts(store)).toEqual(["3", "1"]);
  expect(
    texts(await store.queues.open({ peerId: bob.peerId, epoch: 1 }, silent).next(ample)),
  ).toEqual(["3"]);
});

test("a damaged database of the first version is salvaged", async () => {
  const path = firstDatabase();
  execute(path, "DELETE FROM queue");
  const told: string[] = [];
  const store = await openStore(path, { onDamage: (words) => told.push(words) });
  expect(told).toEqual([expect.stringContaining("Salvaged were 3 messages and 12 peers; 0")]);
  expect(await peersOf(store)).toEqual(peersOfTrial);
  expect(
    texts(await store.queues.open({ peerId: bob.peerId, epoch: 1 }, silent).next(ample)),
  ).toEqual(["2", "3"]);
  const { seq } = await sendFirst(store);
  expect(seq).toBe(4n);
});

/** A database as version 1 of the schema left it: messages 1 to 3 to bob, of whom the first is confirmed. */
function firstDatabase(): string {
  const path = temporaryDatabase();
  const [first] = migrations;
  execute(
    path,
    `PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL; BEGIN; ${String(first)}
    ${peersOfTrial.map(insertPeer).join("\n")}
    ${[1, 2, 3].map(insertMessage).join("\n")}
    UPDATE delivery SET state = ${ReceiptState.CONFIRMED} WHERE seq = 1;
    PRAGMA application_id = ${applicationId}; PRAGMA user_version = 1; COMMIT;`,
  );
  return path;
}

function insertPeer(peer: (typeof peersOfTrial)[number]): string {
  const profile = Buffer.from(toBinary(ProfileSchema, peer.profile)).toString("hex");
  return `INSERT INTO peer VALUES ('${peer.peerId}', '${peer.name}', '${peer.secretHash}', ${peer.kind},
    x'${profile}', ${peer.createTimeMs}, ${peer.lastSeenMs}, '${peer.baseName}', ${peer.number},
    ${peer.epoch}, '${peer.instanceId}', '${JSON.stringify(peer.conversations)}', ${peer.revision});`;
}

function insertMessage(id: number): string {
  const acceptTimeMs = Date.now();
  const sent = draft({ text: String(id) });
  const body = toBinary(MessageSchema, stamp(sent, acceptTimeMs));
  const { messageId, threadId, fingerprint } = sent;
  const row = { fromPeerId: alice.peerId, fromName: alice.name, messageId, threadId };
  const whole = { ...row, id, fingerprint, acceptTimeMs, body };
  const checksum = sumWithoutKey(messageTable, whole);
  return `INSERT INTO message VALUES (${id}, '${alice.peerId}', '${alice.name}', '${messageId}',
      '${threadId}', '${fingerprint}', ${acceptTimeMs}, ${checksum},
      x'${Buffer.from(body).toString("hex")}');
    INSERT INTO participant VALUES ('${alice.peerId}', ${id}), ('${bob.peerId}', ${id});
    INSERT INTO delivery VALUES (${id}, ${id}, '${bob.peerId}', 'bob', '${alice.peerId}',
      ${body.byteLength}, ${acceptTimeMs + 60_000}, 0, 1, ${acceptTimeMs}, NULL, NULL, NULL, NULL,
      NULL, 0, 0, '');`;
}
