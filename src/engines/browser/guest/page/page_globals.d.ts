/** What of a page's globals its script of ours uses; the rest of the project knows no page. */

interface Node {
  readonly nodeName: string;
  cloneNode(deep: boolean): Node;
}
interface Element extends Node {
  readonly outerHTML: string;
  remove(): void;
}
declare var Node: { readonly prototype: Node; new (): Node };
declare var Element: { readonly prototype: Element; new (): Element };
declare const location: { readonly hash: string; readonly host: string; readonly origin: string };
declare const history: { replaceState(state: unknown, title: string, url: string): void };
declare const window: { readonly top: unknown };
declare const document: {
  readonly readyState: "loading" | "interactive" | "complete";
  readonly baseURI: string;
  readonly currentScript: Element | null;
  addEventListener(type: string, listener: () => void, options?: { readonly once: boolean }): void;
};
