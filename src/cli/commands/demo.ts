import { Play } from "../demo/play.js";
import { Stage } from "../demo/stage.js";
import { Transcript } from "../demo/transcript.js";
import { catchInterruption, type Define, type Shell } from "../shell.js";

export const define: Define = (command, shell) => {
  command
    .description(
      "Plays a refactoring with three agents, for real: MCP servers and a broker, in a home of their own that is removed at the end. " +
        "The broker is killed in the middle. Every line is a result that came back; if one is wrong the demo says so and fails.",
    )
    .addHelpText("after", "\nExample:\n  peerline demo")
    .action(() => demo(shell));
};

async function demo({ program, out }: Shell): Promise<void> {
  using interruption = catchInterruption();
  const { signal } = interruption;
  try {
    await using stage = await Stage.open({ program, signal });
    await playStory(stage, new Transcript(out));
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  }
}

/** Three agents refactor one type. One of them is away, and the broker dies before all have read. */
async function playStory(stage: Stage, transcript: Transcript): Promise<void> {
  const play = new Play(stage, transcript);
  await transcript.title("Three agents refactor one type, and their broker is killed on the way");

  const api = await play.enter("api");
  await play.leave(await play.enter("frontend"));
  const dataLayer = await play.enter("data-layer");

  await play.send(
    dataLayer,
    ["api", "frontend"],
    "UserResponse: removed legacyId, added uuid. Please adapt.",
  );
  const change = await play.read(api, "data-layer");
  await play.send(api, ["data-layer"], "Handlers now return uuid; 12 tests pass.", {
    answers: change,
  });

  const former = await play.killBroker();
  await play.send(dataLayer, ["api"], "The legacyId column goes with the next migration.");
  await play.seeNewBroker(dataLayer, former);

  await play.read(dataLayer, "api");
  await play.read(api, "data-layer");

  const frontend = await play.enter("frontend");
  const missed = await play.read(frontend, "data-layer");
  await play.send(frontend, ["data-layer"], "Links use uuid now.", { answers: missed });
  await play.read(dataLayer, "frontend");

  await play.lookAgain([dataLayer, api, frontend]);
  await play.showReceipts();
  await play.close();
}
