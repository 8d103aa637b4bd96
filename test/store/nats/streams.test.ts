import { DiscardPolicy, RetentionPolicy, StorageType } from "@nats-io/jetstream";
import { describe, expect, test } from "vitest";
import { StoreError } from "../../../src/broker/store/store.js";
import { systemClock } from "../../../src/clock.js";
import type { Link } from "../../../src/store/nats/connect.js";
import type { NatsOptions } from "../../../src/contract/nats-options.js";
import { openStreams, streamNames } from "../../../src/store/nats/streams.js";
import { findNatsServers, isNatsMissing } from "../../support/nats-programs.js";
import { openLink, optionsFor, startCluster, startServer } from "./open-link.js";

const mailBytes = 64 * 1024 * 1024;

describe.skipIf(isNatsMissing())("the streams", () => {
  const usable = findNatsServers().filter(({ version }) => !version.startsWith("2.9."));

  test.each(usable)("are made explicitly, and found again, by $version", async ({ version }) => {
    const server = await startServer({ version });
    const nats = optionsFor(server);
    const link = await openLink(nats);
    const names = await open(link, nats);
    expect(names).toEqual({
      mail: "peerline-mail",
      receipts: "peerline-receipts",
      peers: "peerline-peers",
    });
    expect((await link.manager.streams.info(names.mail)).config).toMatchObject({
      subjects: ["peerline.mail.>"],
      storage: StorageType.File,
      retention: RetentionPolicy.Limits,
      num_replicas: 1,
      max_consumers: 256,
      max_msgs: -1,
      max_msgs_per_subject: 1,
      max_bytes: mailBytes,
      max_age: 0,
      discard: DiscardPolicy.New,
      discard_new_per_subject: true,
      duplicate_window: 120e9,
      metadata: { "peerline.schema": "1" },
    });
    expect(await open(link, nats)).toEqual(names);
  });

  test("are made once by gateways that come together", async () => {
    const cluster = await startCluster();
    const nats = optionsFor(cluster);
    const links = await Promise.all([1, 2, 3, 4].map(() => openLink(nats)));
    const names = await Promise.all(links.map((link) => open(link, nats)));
    expect(new Set(names.map((one) => JSON.stringify(one))).size).toBe(1);
    const [link] = links;
    for (const name of Object.values(streamNames("peerline"))) {
      expect(await link?.manager.streams.info(name)).toMatchObject({ config: { num_replicas: 3 } });
    }
  });

  test("are widened, and never narrowed", async () => {
    const server = await startServer();
    const nats = optionsFor(server);
    const link = await openLink(nats);
    const { mail } = await open(link, nats);
    const bytes = async () => (await link.manager.streams.info(mail)).config.max_bytes;
    await open(link, nats, mailBytes * 2);
    expect(await bytes()).toBe(mailBytes * 2);
    await open(link, nats);
    expect(await bytes()).toBe(mailBytes * 2);
    await link.manager.streams.update(mail, { max_bytes: -1, description: "of the operator" });
    await open(link, nats, mailBytes * 4);
    expect(await link.manager.streams.info(mail)).toMatchObject({
      config: { max_bytes: -1, description: "of the operator" },
    });
  });

  test("of several teams stand side by side, by their prefixes", async () => {
    const server = await startServer();
    const link = await openLink(optionsFor(server));
    await open(link, optionsFor(server));
    const names = await open(link, optionsFor(server, { prefix: "other" }));
    expect(names.mail).toBe("other-mail");
    expect((await link.manager.getAccountInfo()).streams).toBe(6);
  });

  test("of a newer version are left alone", async () => {
    const { link, nats, mail } = await opened();
    await link.manager.streams.update(mail, { metadata: { "peerline.schema": "2" } });
    expect(await failure(link, nats)).toMatchObject({
      code: "NEWER_VERSION",
      message:
        "The stream peerline-mail of JetStream was written by a newer version of Peerline (form 2, this one knows 1). Update this one.",
    });
  });

  test("of somebody else are left alone", async () => {
    const { link, nats } = await withStream({ name: "peerline-mail", subjects: ["theirs"] });
    expect(await failure(link, nats)).toMatchObject({
      code: "UNAVAILABLE",
      message: expect.stringContaining(
        'peerline-mail of JetStream was not made by Peerline: set another prefix than "peerline" in [nats]',
      ),
    });
  });

  test("whose subjects another stream takes are not made", async () => {
    const { link, nats } = await withStream({ name: "theirs", subjects: ["peerline.>"] });
    expect(await failure(link, nats)).toMatchObject({
      code: "UNAVAILABLE",
      message: expect.stringContaining(
        "Another stream of JetStream than peerline-mail keeps peerline.mail.>: set another prefix",
      ),
    });
  });

  test("that were changed by hand are refused, with the difference", async () => {
    const { link, nats, mail } = await opened();
    await link.manager.streams.update(mail, { max_msgs: 5, discard_new_per_subject: false });
    expect(await failure(link, nats)).toMatchObject({
      code: "UNAVAILABLE",
      message: expect.stringContaining(
        "another configuration than Peerline gave it (max_msgs is 5, not -1, discard_new_per_subject is false, not true). Set it back with",
      ),
    });
  });

  test("for which there are too few servers, or no room, are not made", async () => {
    const server = await startServer({ maxStoredBytes: 16 * 1024 * 1024 });
    const link = await openLink(optionsFor(server));
    expect(await failure(link, optionsFor(server))).toMatchObject({
      code: "FULL",
      message: expect.stringContaining("no room for the stream peerline-mail: give the account"),
    });
    const alone = await startServer();
    const other = await openLink(optionsFor(alone));
    expect(await failure(other, optionsFor(alone, { replicas: 3 }))).toMatchObject({
      code: "UNAVAILABLE",
      message: expect.stringContaining(
        "cannot keep each stream on 3 servers: start as many in one cluster, or set replicas in [nats]",
      ),
    });
  });

  test("that are there are used by whoever may not make any", async () => {
    const users = `{ user: all, password: p }, { user: some, password: p,
      permissions: { publish: { deny: ["$JS.API.STREAM.CREATE.>", "$JS.API.STREAM.UPDATE.>"] } } }`;
    const server = await startServer({ config: `authorization { users: [${users}] }` });
    const as = (user: string) =>
      optionsFor(server, { login: () => ({ kind: "password", user, password: "p" }) });
    const some = await openLink(as("some"));
    expect(await failure(some, as("some"))).toMatchObject({
      code: "UNAVAILABLE",
      message:
        "NATS does not let this broker publish to $JS.API.STREAM.CREATE.peerline-mail: give its user that permission.",
    });
    await open(await openLink(as("all")), as("all"));
    expect(await open(some, as("some"))).toEqual(streamNames("peerline"));
  });
});

function open(link: Link, nats: NatsOptions, bytes = mailBytes): ReturnType<typeof openStreams> {
  return openStreams({ link, clock: systemClock, nats, mailBytes: bytes });
}

async function failure(link: Link, nats: NatsOptions): Promise<unknown> {
  const error = await open(link, nats).catch((cause: unknown) => cause);
  expect(error).toBeInstanceOf(StoreError);
  return error;
}

async function opened(): Promise<{ link: Link; nats: NatsOptions; mail: string }> {
  const server = await startServer();
  const nats = optionsFor(server);
  const link = await openLink(nats);
  return { link, nats, ...(await open(link, nats)) };
}

async function withStream(config: { name: string; subjects: string[] }): Promise<{
  link: Link;
  nats: NatsOptions;
}> {
  const server = await startServer();
  const nats = optionsFor(server);
  const link = await openLink(nats);
  await link.manager.streams.add(config);
  return { link, nats };
}
