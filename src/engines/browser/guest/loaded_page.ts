/** A program as its page finds it: the document, the module, and the files, each at its address. */
import type { LoadParcel } from "../../../wire/parcels.ts";

/** Below it is what is ours on a page's origin. */
export const OWN_PATH = "/__isopod/";

const EMPTY_PAGE = '<!doctype html><html><head><meta charset="utf-8"></head><body></body></html>';

/** An answer to a request of the page. */
export interface PageResource {
  readonly type: string;
  readonly bytes: Uint8Array;
}

/** What a page can load from its origin. */
export class LoadedPage {
  /** The host of its address. */
  readonly host: string;
  /** The address of the module. */
  readonly modulePath: string;
  readonly #resources = new Map<string, PageResource>();

  /** @param bytes what `parcel` names */
  constructor(parcel: LoadParcel, bytes: Uint8Array) {
    const { codeBytes, htmlBytes, files } = parcel.browser ?? { codeBytes: bytes.length, files: [] };
    this.host = `${hostLabel(parcel.fn?.name ?? "run")}.localhost`;
    this.modulePath = `${OWN_PATH}module/${encodeURIComponent(parcel.name)}`;
    let at = 0;
    const next = (length: number) => {
      at += length;
      return bytes.subarray(at - length, at);
    };
    const code = next(codeBytes);
    const html = htmlBytes === undefined ? new TextEncoder().encode(EMPTY_PAGE) : next(htmlBytes);
    for (const { path, type, bytes: length } of files) this.#resources.set(path, { type, bytes: next(length) });
    this.#resources.set("/", { type: "text/html; charset=utf-8", bytes: html });
    this.#resources.set(this.modulePath, { type: "text/javascript", bytes: code });
  }

  /** What is at a path; undefined when there is nothing. */
  find(path: string): PageResource | undefined {
    const [plain = ""] = path.split("?", 1);
    return this.#resources.get(plain) ?? this.#resources.get(decoded(plain));
  }
}

function decoded(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}

/** A name as a part of a host's name. */
function hostLabel(name: string): string {
  const label = name
    .toLowerCase()
    .replace(/[^a-z0-9-]+/g, "-")
    .slice(0, 63)
    .replace(/^-+|-+$/g, "");
  return label === "" ? "page" : label;
}
