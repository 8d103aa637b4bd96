import { expect, describe, test } from "vitest";
import { JetStreamApiError } from "@nats-io/jetstream";
import type { Link } from "../../../src/store/nats/connect.js";
import { deleteMessage } from "../../../src/store/nats/delete-message.js";
import { findNatsServers, isNatsMissing } from "../../support/nats-programs.js";
import { openLink, optionsFor, startCluster, startServer } from "./open-link.js";

describe.skipIf(isNatsMissing())("a message that is deleted already", () => {
  const usable = findNatsServers().filter(({ version }) => !version.startsWith("2.9."));

  test.each(usable)("is deleted again, wherever it was in its stream, on $version", async (one) => {
    const { version } = one;
    await deleteTwice(await openLink(optionsFor(await startServer({ version }))), 1);
  });

  test("is deleted again on three servers", async () => {
    await deleteTwice(await openLink(optionsFor(await startCluster())), 3);
  });

  test("is not one of a stream that there is not", async () => {
    const link = await openLink(optionsFor(await startServer()));
    await expect(deleteMessage(link.manager, "none", 1)).rejects.toBeInstanceOf(JetStreamApiError);
  });
});

async function deleteTwice({ manager }: Link, replicas: number): Promise<void> {
  const stream = "letters";
  await manager.streams.add({ name: stream, subjects: ["letters"], num_replicas: replicas });
  const client = manager.jetstream();
  for (let index = 0; index < 6; index++) await client.publish("letters", "a");
  // Of the middle, the first and the last.
  for (const seq of [3, 1, 6]) {
    await deleteMessage(manager, stream, seq);
    await deleteMessage(manager, stream, seq);
  }
  expect((await manager.streams.info(stream)).state.messages).toBe(3);
}
