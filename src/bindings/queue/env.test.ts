/** What a queue binding owes programs, in every engine. */
import { describeEnvCall } from "../../testing/env-call-suite.ts";

describeEnvCall({
  type: "queue",
  script: "await B.send(text);",
  python: `
B("POST", "/messages", json.dumps([{"type": "json", "body": json.dumps(text)}]))`,
  answerOf: () => null,
  nobody: undefined,
});
