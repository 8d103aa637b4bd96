import { catchInterruption, type Define, type Shell } from "../shell.js";
import { Stage } from "../demo/stage.js";
import { playStory } from "../demo/story.js";
import { Transcript } from "../demo/transcript.js";

export const defineDemo: Define = (command, shell) => {
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
