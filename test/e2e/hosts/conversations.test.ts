import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { isMissing } from "../../hosts/installed-hosts.js";
import type { ModelRecord } from "../../hosts/scripted-model/record.js";
import { ScriptedModel } from "../../hosts/scripted-model/scripted-model.js";
import type { ScriptLine } from "../../hosts/scripted-model/script.js";
import { startBrokerHome, type BrokerHome } from "../../support/program.js";
import { beginsAnother } from "./bells.js";
import { claude } from "./claude.js";
import { codex } from "./codex.js";
import { gemini } from "./gemini.js";
import { clearMs, maxRunMs } from "./limits.js";
import { sendAsPerson } from "./person.js";
import { cannotOpen, type PseudoTerminal } from "./pseudo-terminal.js";
import { RealAgent } from "./real-agent.js";
import { factsOf } from "./result-facts.js";

if (cannotOpen !== undefined) console.warn(`skipped: hosts at a terminal, because ${cannotOpen}`);

/**
 * In each turn it says who it is, and reads its mail. It goes by the prompt: windows share it, and hosts
 * also ask what their user may say next.
 */
const line: ScriptLine = ({ turns }) => {
  const at = turns.findLastIndex(({ text }) => prompt.test(text));
  const [, word = ""] = prompt.exec(turns[at]?.text ?? "") ?? [];
  const results = turns.slice(at).filter(({ role }) => role === "tool");
  if (results.length === 0) return { call: "list_peers", args: {} };
  if (results.length === 1) return { call: "get_messages", args: {} };
  return { say: said(word) };
};
const prompt = /Here is prompt (\w+)\./;
const ask = (word: string): string => `Here is prompt ${word}.`;
const said = (word: string): string => `Done with ${word}.`;
const lines = Array.from({ length: 60 }, () => line);

/** Types a prompt, and waits for the end of its turn. */
async function take(window: PseudoTerminal, word: string): Promise<void> {
  await window.type(ask(word));
  await window.shows(said(word));
}

/** Who the agent of this prompt was, and what it was given to read. */
function heard(record: ModelRecord, word: string): { name: string; mail: string[] } {
  const [peers = "", messages = ""] = record.resultsSince(ask(word));
  return {
    name: factsOf(peers).you.name,
    mail: factsOf(messages).messages.map(({ text }: { text: string }) => text),
  };
}

/** How a user begins anew in a window and who it is then, and how the host is started to go on. */
const hosts = [
  {
    host: claude,
    anew: "/clear",
    anewIs: 2,
    resume: (id: string) => ["--resume", id],
    latest: (text: string) => ["-p", "--continue", text],
  },
  {
    // Each of its threads is an agent.
    host: codex,
    anew: "/new",
    anewIs: 3,
    resume: (id: string) => ["resume", id],
    latest: (text: string) => ["exec", "--skip-git-repo-check", "resume", "--last", text],
  },
  {
    host: gemini,
    anew: "/clear",
    anewIs: 2,
    // It knows its conversations by their place in a list only.
    resume: undefined,
    latest: (text: string) => ["--resume", "latest", ...gemini.once(text)],
  },
].filter(({ host }) => !isMissing(host.name));
type Row = (typeof hosts)[number];
const byName = hosts.map((row) => [row.host.name, row] as const);

describe.skipIf(cannotOpen !== undefined || hosts.length === 0)(
  "of two windows in one project, of which the second began anew",
  { timeout: 4 * maxRunMs },
  () => {
    let broker: BrokerHome;
    let model: ScriptedModel;

    beforeEach(async () => {
      broker = await startBrokerHome();
      model = await ScriptedModel.start();
    });
    afterEach(async () => {
      await model[Symbol.asyncDispose]();
      await broker[Symbol.asyncDispose]();
    });

    const make = async (name: string, { host }: Row): Promise<RealAgent> =>
      RealAgent.make(host, { name, isNamed: false, broker, model, lines });

    /** Both are opened and closed, and for each a message waits. Returns the names of both. */
    async function leaveTwo(agent: RealAgent, { anew, anewIs }: Row): Promise<[string, string]> {
      const { name } = agent;
      const { record } = agent.model;
      await take(await agent.open(), "one");
      expect(heard(record, "one")).toEqual({ name, mail: [] });
      const second = await agent.open();
      await take(second, "two");
      expect(heard(record, "two")).toEqual({ name: `${name}-2`, mail: [] });
      await beginsAnother(broker, () => second.type(anew));
      await sleep(clearMs);
      await take(second, "anew");
      expect(heard(record, "anew")).toEqual({ name: `${name}-${anewIs}`, mail: [] });
      await agent.close();
      await sendAsPerson(broker, name, "for one");
      await sendAsPerson(broker, `${name}-${anewIs}`, "for anew");
      return [name, `${name}-${anewIs}`];
    }

    test.for(byName.filter(([, { resume }]) => resume !== undefined))(
      "%s is the agent of each, with its mail, when they are resumed in the other order",
      async ([name, row]) => {
        await using agent = await make(`${name}-both`, row);
        const { record } = agent.model;
        const [one, anew] = await leaveTwo(agent, row);
        const open = async (word: string): Promise<PseudoTerminal> =>
          agent.open(...(row.resume?.(await agent.conversationWith(ask(word))) ?? []));
        const left = await open("anew");
        const right = await open("one");
        await take(left, "left");
        await take(right, "right");
        expect(heard(record, "left")).toEqual({ name: anew, mail: ["for anew"] });
        expect(heard(record, "right")).toEqual({ name: one, mail: ["for one"] });
      },
    );

    test.for(byName)(
      "%s is the agent of the second, with its mail, when it goes on with the latest",
      async ([name, row]) => {
        await using agent = await make(`${name}-latest`, row);
        const [, anew] = await leaveTwo(agent, row);
        await agent.run(...row.latest(ask("latest")));
        expect(heard(agent.model.record, "latest")).toEqual({ name: anew, mail: ["for anew"] });
      },
    );

    test.for(byName.filter(([name]) => name === "claude"))(
      "%s is the agent of the first, with its mail, when that is resumed inside another window",
      async ([name, row]) => {
        await using agent = await make(`${name}-inside`, row);
        const { record } = agent.model;
        const [one, anew] = await leaveTwo(agent, row);
        const window = await agent.open("--continue");
        await take(window, "continued");
        expect(heard(record, "continued")).toEqual({ name: anew, mail: ["for anew"] });
        const first = await agent.conversationWith(ask("one"));
        await beginsAnother(broker, () => window.type(`/resume ${first}`));
        await sleep(clearMs);
        await take(window, "inside");
        expect(heard(record, "inside")).toEqual({ name: one, mail: ["for one"] });
      },
    );
  },
);
