import { Client, credentials, type ClientOptions, type ServiceError } from "@grpc/grpc-js";
import { onTestFinished } from "vitest";

/** A client of grpc-js itself, without the bridge, for what the bridge would not send or does not show. */
export function openRawClient(address: string, options: ClientOptions = {}): Client {
  const client = new Client(address, credentials.createInsecure(), options);
  onTestFinished(() => client.close());
  return client;
}

export const echoPath = "/peerline.test.echo.v1.EchoService/Echo";
export const repeatPath = "/peerline.test.echo.v1.EchoService/Repeat";
export const joinPath = "/peerline.test.echo.v1.EchoService/Join";
export const chatPath = "/peerline.test.echo.v1.EchoService/Chat";

/** Carries bytes. */
export function asIs(bytes: Buffer): Buffer {
  return bytes;
}

/** The response to Echo, or the error. */
export function rawEcho(client: Client, request: Buffer): Promise<Buffer | ServiceError> {
  return new Promise((resolve) => {
    client.makeUnaryRequest(echoPath, asIs, asIs, request, (error, response) =>
      resolve(error ?? response ?? Buffer.alloc(0)),
    );
  });
}
