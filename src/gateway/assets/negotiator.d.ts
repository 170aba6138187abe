/** What we use of negotiator, which brings no types: those that others wrote know nothing of preferences. */
declare module "negotiator" {
  /** Reads what a client takes. */
  export default class Negotiator {
    constructor(request: { readonly headers: Readonly<Record<string, string>> });
    /** Those of `available` that the client takes, the best first; among equals in the order of `preferred`. */
    encodings(available: readonly string[], options: { readonly preferred: readonly string[] }): string[];
  }
}
