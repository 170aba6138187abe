/**
 * The ready-made runtime for Node: loads `module.export` and answers events, one JSON document a line, after a line that says
 * whether it was loaded.
 *
 * What handlers print goes to the log. An error is answered as AWS writes it; it does not end the runtime.
 */
import { existsSync, writeSync } from "node:fs";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const { _HANDLER: handlerName = "", LAMBDA_TASK_ROOT: root, AWS_LAMBDA_FUNCTION_NAME: functionName } = process.env;

// The standard output is for answers; what handlers print there goes to the log.
process.stdout.write = process.stderr.write.bind(process.stderr);

let handler;
try {
  handler = await load();
} catch (error) {
  answerWith(failure(error));
  process.exit(1);
}
answerWith("null");

for await (const line of createInterface({ input: process.stdin })) {
  let answer;
  try {
    answer = JSON.stringify((await handler(JSON.parse(line), { functionName })) ?? null);
  } catch (error) {
    answer = failure(error);
  }
  answerWith(answer);
}

async function load() {
  const at = handlerName.lastIndexOf(".");
  const [stem, name] = [handlerName.slice(0, at), handlerName.slice(at + 1)];
  const file = ["mjs", "js", "cjs"].map((ending) => `${root}/${stem}.${ending}`).find((path) => existsSync(path));
  if (file === undefined)
    throw new Error(`Cannot load the handler "${handlerName}": there is no ${stem}.mjs, .js or .cjs`);
  const module = await import(pathToFileURL(file).href);
  const found = module[name] ?? module.default?.[name];
  if (typeof found !== "function")
    throw new Error(`Cannot load the handler "${handlerName}": ${file} exports no ${name}`);
  return found;
}

/** An error as AWS writes it, which stands in the log, too. */
function failure(error) {
  console.error(error);
  const { name: errorType = "Error", message: errorMessage = String(error), stack = "" } = error ?? {};
  return JSON.stringify({ errorType, errorMessage, stackTrace: stack.split("\n").slice(1) });
}

function answerWith(text) {
  const bytes = Buffer.from(`${text}\n`);
  for (let sent = 0; sent < bytes.length; ) {
    try {
      sent += writeSync(1, bytes, sent);
    } catch (error) {
      // The pipe is full: it is being read.
      if (error.code !== "EAGAIN") throw error;
    }
  }
}
