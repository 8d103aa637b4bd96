import { describe, expect, test } from "vitest";
import { projectFiles, readProjectFile } from "./support/project-files.js";

const maxWords = 30;

describe("sentences", () => {
  test("are counted as a reader takes them", () => {
    expect(longSentences(`${words(maxWords)}. ${words(maxWords)}.`)).toEqual([]);
    expect(longSentences(`A ${words(maxWords)}.`)).toHaveLength(1);
    expect(longSentences(`${words(20)}\n${words(20)}`)).toHaveLength(1);
    expect(longSentences(`${words(20)}\n\n${words(20)}`)).toEqual([]);
    expect(longSentences(`- ${words(20)}\n- ${words(20)}`)).toEqual([]);
    expect(longSentences(`| ${words(20)} | ${words(20)} |`)).toEqual([]);
    expect(longSentences(`\`a ${words(40)}\` is code.`)).toEqual([]);
    expect(longSentences(`\`\`\`\n${words(40)}\n\`\`\``)).toEqual([]);
  });

  test.each(projectFiles(/\.md$/))("of %s have at most 30 words", (page) => {
    expect(longSentences(readProjectFile(page))).toEqual([]);
  });
});

function words(count: number): string {
  return Array.from({ length: count }, () => "word").join(" ");
}

/** The sentences of Markdown, or of a comment, that are too long. Code is one word, and ends no sentence. */
function longSentences(text: string): string[] {
  return text
    .replaceAll(/^```.*?^```/gms, "")
    .replace(/^---\n.*?\n---\n/s, "")
    .replaceAll(/`[^`]*`/g, "code")
    .replaceAll(/^\s*(?:[-*>]|\d+\.) /gm, "\n\n")
    .replaceAll(/^#.*$/gm, "\n\n")
    .split(/\n\s*\n|\|/)
    .flatMap((paragraph) => paragraph.replaceAll(/\s+/g, " ").split(/(?<=[.!?]["')_*]?) /))
    .filter((sentence) => sentence.split(" ").filter((word) => /\w/.test(word)).length > maxWords);
}
