/** A KV binding on a temporary folder, for the time of one test, with a clock that the test turns. */
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createKv } from "../bindings/kv/binding.ts";
import type { Binding, BindingAnswer } from "../core/binding.ts";
import type { BindingGrant } from "../core/binding_kinds.ts";
import { answerText, bindingCall, fakeScope } from "./binding-suite.ts";
import { FakeClock } from "./fake_clock.ts";

/** A grant of a namespace; `one` of the project `default` when nothing is said. */
export function grantOf(more: Partial<BindingGrant> = {}): BindingGrant {
  return { type: "kv", project: "default", resource: "one", mode: "read-write", options: {}, ...more };
}

/** A body that never ends, and never comes to anything. */
export function endlessBody(): ReadableStream<Uint8Array> {
  return new ReadableStream<Uint8Array>({ pull: () => new Promise<void>(() => {}) });
}

/** A text as a body, in pieces. */
function bodyOf(text: string): ReadableStream<Uint8Array> {
  return new Blob([text]).stream();
}

interface Asked {
  readonly headers?: [string, string][];
  readonly body?: string;
  readonly grant?: BindingGrant;
}

/** The binding. */
export class KvRig implements AsyncDisposable {
  readonly clock = new FakeClock();
  readonly directory = mkdtempSync(join(tmpdir(), "isopod-kv-"));
  readonly binding: Binding;

  constructor(bytesMax = 1024 * 1024 * 1024) {
    const { clock, directory } = this;
    this.binding = createKv({ directory, clock, quotas: { bytesMax: () => bytesMax }, report() {} });
  }

  async call(
    method: string,
    url: string,
    { headers = [], body, grant = grantOf() }: Asked = {},
  ): Promise<BindingAnswer> {
    const call = bindingCall(url, { method, headers, body: body === undefined ? null : bodyOf(body) });
    return this.binding.call(call, grant, fakeScope());
  }

  /** Puts a text; its revision. */
  async put(
    key: string,
    text: string,
    headers: Readonly<Record<string, string>> = {},
    grant = grantOf(),
  ): Promise<number> {
    const url = `/values/${encodeURIComponent(key)}`;
    const answer = await this.call("PUT", url, { headers: Object.entries(headers), body: text, grant });
    return Number(answer.headers.find(([name]) => name === "revision")?.[1]);
  }

  /** The text of a key; null when it is not there. */
  async text(key: string, grant = grantOf()): Promise<string | null> {
    const answer = await this.call("GET", `/values/${encodeURIComponent(key)}`, { grant });
    return answer.status === 404 ? null : answerText(answer);
  }

  /** All keys that a list gives, page by page. */
  async keys(query = "", grant = grantOf()): Promise<string[]> {
    const keys: string[] = [];
    for (let cursor: string | undefined = ""; cursor !== undefined; ) {
      const url = `/keys?${query}${cursor === "" ? "" : `&cursor=${cursor}`}`;
      const page = JSON.parse(await answerText(await this.call("GET", url, { grant }))) as {
        keys: { key: string }[];
        cursor?: string;
      };
      keys.push(...page.keys.map(({ key }) => key));
      cursor = page.cursor;
    }
    return keys;
  }

  /** The files of long values that lie there. */
  files(project = "default"): string[] {
    return readdirSync(join(this.directory, project, "files"));
  }

  async close(): Promise<void> {
    await this.binding.close();
    rmSync(this.directory, { recursive: true, force: true });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
