import { expect, test } from "vitest";
import { formatEndpoint, readEndpoint, readEndpoints } from "../../src/endpoint/endpoint.js";

test.each([
  ["unix:/run/b.sock", { kind: "unix", path: "/run/b.sock" }],
  ["tls:laptop.local:7899", { kind: "tls", host: "laptop.local", port: 7899 }],
  ["tls:192.0.2.7:1", { kind: "tls", host: "192.0.2.7", port: 1 }],
  ["tls:[2001:db8::1]:65535", { kind: "tls", host: "2001:db8::1", port: 65_535 }],
])("%s is read, and written as it was", (text, endpoint) => {
  expect(readEndpoint("PEERLINE_BROKER", text)).toEqual(endpoint);
  expect(formatEndpoint(readEndpoint("PEERLINE_BROKER", text))).toBe(text);
});

test.each([
  ["tcp:laptop:7899", "would be without encryption, which Peerline never is: write tls:HOST:PORT"],
  ["tls:laptop", "is no address: write tls:HOST:PORT"],
  ["tls:laptop:0", "is no address"],
  ["tls:laptop:65536", "is no address"],
  ["tls:2001:db8::1:7899", "is no address"],
  ["tls:[laptop]:7899", "is no address"],
  ["tls:lap top:7899", "is no address"],
  ["tls:-laptop:7899", "is no address"],
  ["tls:laptop:7899/x", "is no address"],
  ["unix:b.sock", "has no absolute path"],
  ["http://laptop", "is not supported: use unix: and the path of a socket, or tls:HOST:PORT"],
])("%s is refused by what named it, with the form that would do", (text, words) => {
  expect(() => readEndpoint("PEERLINE_BROKER", text)).toThrow(
    expect.objectContaining({
      code: "CONFIG_INVALID",
      message: expect.stringContaining(`PEERLINE_BROKER=${text} ${words}`),
    }),
  );
});

test.each([
  ["tls:a:7899,tls:b:7899", ["tls:a:7899", "tls:b:7899"]],
  [" tls:a:7899 , unix:/run/b.sock ", ["tls:a:7899", "unix:/run/b.sock"]],
  ["unix:/run/a,b.sock,tls:a:1", ["unix:/run/a,b.sock", "tls:a:1"]],
  ["tls:a:1,tls:a:1", ["tls:a:1"]],
])("several are read from %j", (text, endpoints) => {
  expect(readEndpoints("PEERLINE_BROKER", text).map(formatEndpoint)).toEqual(endpoints);
});

test.each([
  ["tls:a:7899,b:7899", "PEERLINE_BROKER=b:7899 is not supported"],
  ["tls:a:7899,tls:b", "PEERLINE_BROKER=tls:b is no address"],
  ["tls:a:7899,tcp:b:1", "PEERLINE_BROKER=tcp:b:1 would be without encryption"],
  ["tls:a:7899,", "PEERLINE_BROKER=tls:a:7899, has a comma too many"],
  [",tls:a:7899", "has a comma too many"],
  ["tls:a:1,,tls:b:1", "has a comma too many"],
  [
    Array.from({ length: 9 }, (_, at) => `tls:a:${at + 1}`).join(","),
    "names 9 brokers, and may name 8",
  ],
])("of several, the one that is wrong is named: %j", (text, words) => {
  expect(() => readEndpoints("PEERLINE_BROKER", text)).toThrow(
    expect.objectContaining({
      code: "CONFIG_INVALID",
      message: expect.stringContaining(words),
    }),
  );
});
