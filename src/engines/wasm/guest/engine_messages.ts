/** What JavaScriptCore says of modules, as their authors can use it. */

/** `message` without the expression in the adapter's own code that came upon the fault. */
export function withoutPlace(message: string): string {
  return message.replace(/ \(evaluating '.*'\)$/s, "");
}
