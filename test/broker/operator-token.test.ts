import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { newSecret, operatorToken, reasonOf, startTestBroker } from "../support/test-broker.js";

const digest = (token: string): Buffer => createHash("sha256").update(token).digest();

/** A token whose digest has one byte in common with the operator's, at this place. */
function similarToken(place: number): string {
  const wanted = digest(operatorToken)[place];
  for (;;) {
    const token = newSecret();
    if (digest(token)[place] === wanted) return token;
  }
}

test("a token that is the operator's in part is nobody's", async () => {
  await using broker = await startTestBroker();
  const last = operatorToken.length - 1;
  const others = [
    ...[0, 1, 15, 30, 31].map(similarToken),
    operatorToken.slice(0, last),
    `${operatorToken}x`,
    `${operatorToken.slice(0, last)}x`,
    `x${operatorToken.slice(1)}`,
    operatorToken.toUpperCase(),
    operatorToken[0] ?? "",
  ];
  for (const token of others) {
    expect([token, await reasonOf(broker.client(token).listPeers({}))]).toEqual([
      token,
      "TOKEN_INVALID",
    ]);
  }
  expect((await broker.client(operatorToken).listPeers({})).peers).toEqual([]);
});
