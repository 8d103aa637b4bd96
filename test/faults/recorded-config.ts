import { readConfigFile, replaceConfigFile } from "../../src/hosts/config-files/config-file.js";

// A program of the tests: gives a host's file a new text. Argument: the file.
const [, , path = ""] = process.argv;
await replaceConfigFile(await readConfigFile(path), "{}");
