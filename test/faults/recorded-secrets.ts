import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { openHome } from "../../src/endpoint/home.js";
import { createSecret, openOperatorToken } from "../../src/endpoint/secrets.js";

// A program of the tests: makes a peer's secret and the operator's token in a home, and a file for each
// once it has it, named for it. Argument: the home.
const [, , path = ""] = process.argv;
const home = openHome(path);
await createSecret(home);
writeFileSync(join(path, "has a secret"), "");
await openOperatorToken(home);
writeFileSync(join(path, "has a token"), "");
