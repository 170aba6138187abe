/** A web server for tests that programs are fetched from: files that a test can change, and a list of who asked. */

/** A running source server. */
export interface SourceServer extends Disposable {
  /** `127.0.0.1:PORT`, as it stands in a path below the codeless endpoint. */
  readonly host: string;
  /** Contents by their path; change them at will. */
  readonly files: Map<string, string>;
  /** What was asked for, in order: the path, and `304` behind it when that was the answer. */
  readonly asked: string[];
}

/** Starts a server with `files`. It answers with an ETag, and never says how long an answer is fresh. */
export function startSourceServer(files: Readonly<Record<string, string>> = {}): SourceServer {
  const contents = new Map(Object.entries(files));
  const asked: string[] = [];
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch(request) {
      const { pathname } = new URL(request.url);
      const text = contents.get(pathname);
      if (text === undefined) {
        asked.push(`${pathname} 404`);
        return new Response(null, { status: 404 });
      }
      if (text.startsWith("-> ")) return new Response(null, { status: 302, headers: { location: text.slice(3) } });
      const etag = `"${Bun.hash(text)}"`;
      const same = request.headers.get("if-none-match") === etag;
      asked.push(same ? `${pathname} 304` : pathname);
      if (same) return new Response(null, { status: 304 });
      return new Response(text, { headers: { etag, "content-type": "text/plain" } });
    },
  });
  return {
    host: `127.0.0.1:${server.port}`,
    files: contents,
    asked,
    [Symbol.dispose]: () => void server.stop(true),
  };
}
