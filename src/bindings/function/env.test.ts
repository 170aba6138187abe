/** What a function binding owes programs, in every engine. */
import { describeEnvCall } from "../../testing/env-call-suite.ts";

describeEnvCall({
  type: "function",
  script: `return (await B.fetch("http://x/?text=" + text)).text();`,
  python: `
status, body = B("GET", "/?text=" + quote(text))
return body.decode()`,
  answerOf: (text) => `got ${text}`,
  nobody: "not_found",
});
