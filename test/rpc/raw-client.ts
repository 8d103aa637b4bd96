import { Client, credentials } from "@grpc/grpc-js";
import { onTestFinished } from "vitest";

/** A client of grpc-js itself, without the bridge, for what the bridge would not send or does not show. */
export function openRawClient(address: string): Client {
  const client = new Client(address, credentials.createInsecure());
  onTestFinished(() => client.close());
  return client;
}

export const echoPath = "/peerline.test.echo.v1.EchoService/Echo";
export const repeatPath = "/peerline.test.echo.v1.EchoService/Repeat";
export const chatPath = "/peerline.test.echo.v1.EchoService/Chat";

/** Carries bytes. */
export function asIs(bytes: Buffer): Buffer {
  return bytes;
}
