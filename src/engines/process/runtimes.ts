/** The ready-made runtimes: programs that load a handler, speak `stdio`, and lie in every sandbox. */
import nodeText from "./runtimes/node.mjs" with { type: "text" };
import pythonText from "./runtimes/python.py" with { type: "text" };

/** Where they are, by their path in the sandbox. */
export const RUNTIME_FILES: Readonly<Record<string, string>> = {
  "var/runtime/python.py": pythonText as unknown as string,
  "var/runtime/node.mjs": nodeText as unknown as string,
};
