import { test } from "vitest";
import { setTimeout as delay } from "node:timers/promises";
import { startEcho } from "./echo-server.js";
import { failure } from "./failure.js";
import { openRawSession, openRawStream, frame } from "./raw-session.js";
test("x", async () => {
  const { client, address } = await startEcho({
    join: async (requests, ctx) => {
      ctx.signal.addEventListener("abort", () => console.log("abort"));
      for await (const r of requests) console.log("req", r.text);
      console.log("ended normally", ctx.signal.aborted);
      await delay(10);
      console.log("later", ctx.signal.aborted);
      return {};
    },
  });
  const c = new AbortController();
  await failure(client.join((async function* () { yield { text: "1" }; setTimeout(() => c.abort(), 50); await new Promise(() => {}); })(), { signal: c.signal })).then(console.log);
  await delay(100);
  console.log("--- session destroyed");
  const s = openRawSession(address);
  const st = openRawStream(s, "/peerline.test.echo.v1.EchoService/Join");
  st.write(frame(Buffer.alloc(0)));
  await delay(50);
  s.destroy();
  await delay(100);
}, 3000);
