import { expect, test } from "vitest";
import {
  Health as HealthService,
  HealthCheckResponse_ServingStatus as Status,
  type HealthCheckResponse,
} from "../../gen/grpc/health/v1/health_pb.js";
import { createClient } from "../../src/rpc/client.js";
import { Code } from "../../src/rpc/error.js";
import { createHealth } from "../../src/rpc/health.js";
import { reflectionServices } from "../../src/rpc/reflection.js";
import { bufCurl } from "./buf-curl.js";
import { collect } from "./collect.js";
import { startEcho } from "./echo-server.js";
import { failure } from "./failure.js";

async function startHealth() {
  const health = createHealth();
  const others = [health.service, ...reflectionServices([health.service.service])];
  const { address, channel, server } = await startEcho({}, { others });
  return { address, health, server, client: createClient(HealthService, channel) };
}

test("the server serves when all of its services do", async () => {
  const { client, health } = await startHealth();
  const check = async (service: string) => (await client.check({ service })).status;
  expect(await check("")).toBe(Status.NOT_SERVING);
  health.set("a", true);
  expect(await check("")).toBe(Status.SERVING);
  health.set("b", false);
  expect(await check("")).toBe(Status.NOT_SERVING);
  expect([await check("a"), await check("b")]).toEqual([Status.SERVING, Status.NOT_SERVING]);
  expect((await failure(client.check({ service: "c" }))).code).toBe(Code.NotFound);
  const { statuses } = await client.list({});
  expect(Object.entries(statuses).map(([name, { status }]) => [name, status])).toEqual([
    ["", Status.NOT_SERVING],
    ["a", Status.SERVING],
    ["b", Status.NOT_SERVING],
  ]);
});

test("a watch hears the state at once, and each change", async () => {
  const { client, health } = await startHealth();
  const watch = client.watch({ service: "a" })[Symbol.asyncIterator]();
  const next = async () => ((await watch.next()).value as HealthCheckResponse).status;
  expect(await next()).toBe(Status.SERVICE_UNKNOWN);
  health.set("a", true);
  expect(await next()).toBe(Status.SERVING);
  health.set("b", false);
  health.set("a", true);
  health.set("a", false);
  expect(await next()).toBe(Status.NOT_SERVING);
});

test("a watch that its reader leaves is over", async () => {
  const { client, health, server } = await startHealth();
  health.set("a", true);
  for await (const { status } of client.watch({ service: "a" })) {
    expect(status).toBe(Status.SERVING);
    break;
  }
  await server.stop(60_000);
});

test("in the end nothing serves, and watches are told and end", async () => {
  const { client, health, server } = await startHealth();
  health.set("a", true);
  const watch = client.watch({ service: "a" })[Symbol.asyncIterator]();
  await watch.next();
  health.end();
  expect(await watch.next()).toMatchObject({ value: { status: Status.NOT_SERVING } });
  expect((await watch.next()).done).toBe(true);
  health.set("a", true);
  expect((await client.check({ service: "" })).status).toBe(Status.NOT_SERVING);
  expect(await collect(client.watch({ service: "a" }))).toHaveLength(1);
  await server.stop(60_000);
});

test("buf curl can ask", async () => {
  const { address, health } = await startHealth();
  health.set("a", true);
  const answer = await bufCurl(address, "-d", "{}", "http://localhost/grpc.health.v1.Health/Check");
  expect(JSON.parse(answer)).toEqual({ status: "SERVING" });
});
