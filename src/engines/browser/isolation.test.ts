/** Two functions on one browser see nothing of one another, and a page reaches nothing but its own origin. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createSocket, type Socket } from "node:dgram";
import { createServer, type Server } from "node:net";
import { noChromium, startPages } from "../../testing/browser_rig.ts";
import type { TestServer } from "../../testing/server.ts";

/** Leaves something in every place that a browser keeps things in, and looks for what others have left. */
const KEEPER = `
const native = (() => { const frame = document.createElement("iframe"); document.body.append(frame); return frame.contentWindow as any; })();
function once<T>(ask: (done: (value: T) => void) => void, otherwise: T) { return new Promise<T>((done) => { ask(done); setTimeout(done, 2000, otherwise); }); }
const opened = () => new Promise<IDBDatabase>((done, fail) => {
  const asked = indexedDB.open("kept", 1);
  asked.onupgradeneeded = () => asked.result.createObjectStore("all");
  asked.onsuccess = () => done(asked.result); asked.onerror = () => fail(asked.error);
});
const heard: string[] = [];
const channel = new BroadcastChannel("all");
channel.onmessage = ({ data }) => heard.push(data);
// The same address in both functions: a worker is known by its origin, its address and its name.
const worker = (name: string) => once<string[]>((done) => {
  const port = new SharedWorker("/worker.js", "all").port;
  port.onmessage = ({ data }) => done(data); port.start(); port.postMessage(name);
}, ["no answer"]);
export default async (request: Request, env: any, ctx: any) => {
  const name = ctx.function.name, what = new URL(request.url).pathname.split("/").pop();
  if (what === "keep") {
    document.cookie = "from=" + name + "; path=/";
    localStorage.setItem("from", name); sessionStorage.setItem("from", name);
    const db = await opened(); db.transaction("all", "readwrite").objectStore("all").put(name, "from");
    await (await native.caches.open("all")).put("/from", new Response(name));
    const file = await (await navigator.storage.getDirectory()).getFileHandle("from", { create: true });
    const writable = await file.createWritable(); await writable.write(name); await writable.close();
    channel.postMessage(name);
    navigator.locks.request("all", () => new Promise(() => {}));
    return Response.json(await worker(name));
  }
  const db = await opened();
  const kept = await new Promise((done) => { const asked = db.transaction("all").objectStore("all").get("from"); asked.onsuccess = () => done(asked.result); });
  const cached = await (await native.caches.open("all")).match("/from");
  const directory = await navigator.storage.getDirectory();
  const files: string[] = []; for await (const each of (directory as any).keys()) files.push(each);
  return Response.json({
    cookie: document.cookie, local: localStorage.getItem("from"), session: sessionStorage.getItem("from"), indexed: kept ?? null,
    cache: cached ? await cached.text() : null, files, heard, worker: await worker(name),
    lock: await navigator.locks.request("all", { ifAvailable: true }, (lock) => lock !== null),
    origin: location.origin,
  });
};`;
const WORKER =
  "let names = []; onconnect = ({ ports: [port] }) => { port.onmessage = ({ data }) => { names.push(data); port.postMessage(names); }; };";

/** Tries every way out to \`HOST:PORT\`, and says what each came to. */
const ESCAPER = `
const frame = () => { const made = document.createElement("iframe"); document.body.append(made); return made; };
const settled = (ask: (done: (value: unknown) => void) => void) => new Promise((done) => { ask(done); setTimeout(done, 400, "nothing"); });
const element = (tag: string, attributes: Record<string, string>, parent: Node = document.body) => settled((done) => {
  const made = document.createElement(tag);
  made.onload = () => done("loaded"); made.onerror = () => done("error");
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  parent.appendChild(made);
});
const worker = (code: string, url: string) => settled((done) => {
  const made = new Worker(URL.createObjectURL(new Blob([code.replaceAll("URL_", JSON.stringify(url))])));
  made.onmessage = ({ data }) => done(data); made.onerror = () => done("error");
});
const ways: Record<string, (url: string, host: string) => unknown> = {
  fetch: (url) => (frame().contentWindow as any).fetch(url, { mode: "no-cors" }).then(() => "opaque"),
  xhr: (url) => settled((done) => { const x = new XMLHttpRequest(); x.onload = () => done("reached " + x.status); x.onerror = () => done("error"); x.open("POST", url); x.send("x"); }),
  websocket: (url) => settled((done) => { const s = new WebSocket(url.replace("http", "ws")); s.onopen = () => done("reached"); s.onerror = () => done("error"); }),
  workerSocket: (url) => worker("const s = new WebSocket(URL_.replace('http', 'ws')); s.onopen = () => postMessage('reached'); s.onerror = () => postMessage('error')", url),
  events: (url) => settled((done) => { const e = new EventSource(url); e.onopen = () => done("reached"); e.onerror = () => done("error"); }),
  transport: (url) => settled((done) => { new (globalThis as any).WebTransport(url.replace("http:", "https:")).ready.then(() => done("reached"), () => done("error")); }),
  beacon: (url) => navigator.sendBeacon(url, "x") && "sent",
  keepalive: (url) => (frame().contentWindow as any).fetch(url, { mode: "no-cors", keepalive: true, method: "POST", body: "x" }).then(() => "opaque"),
  image: (url) => element("img", { src: url }),
  script: (url) => element("script", { src: url }),
  style: (url) => element("link", { rel: "stylesheet", href: url }),
  prefetch: (url) => element("link", { rel: "prefetch", href: url }),
  prerender: (url) => element("link", { rel: "prerender", href: url }),
  preconnect: (url) => element("link", { rel: "preconnect", href: url }),
  dns: () => element("link", { rel: "dns-prefetch", href: "//leak." + Math.random().toString(36).slice(2) + ".example" }),
  icon: (url) => element("link", { rel: "icon", href: url }, document.head),
  manifest: (url) => element("link", { rel: "manifest", href: url }, document.head),
  video: (url) => element("video", { src: url, autoplay: "" }),
  object: (url) => element("object", { data: url }),
  embed: (url) => element("embed", { src: url }),
  iframe: (url) => element("iframe", { src: url }),
  srcdoc: (url) => element("iframe", { srcdoc: "<meta http-equiv=refresh content='0;url=" + url + "'>", sandbox: "allow-scripts" }),
  css: (url) => { const i = document.createElement("i"); i.style.background = "url(" + url + ")"; i.textContent = "x"; document.body.append(i); return "sent"; },
  form: (url) => { const f = document.createElement("form"); f.action = url; f.method = "post"; f.target = "elsewhere"; const i = frame(); i.name = "elsewhere"; document.body.append(f); f.submit(); return "sent"; },
  popup: (url) => String(window.open(url, "_blank", "noopener")),
  popupForm: (url) => { const f = document.createElement("form"); f.action = url; f.target = "_blank"; document.body.append(f); f.submit(); return "sent"; },
  anchor: (url) => { const a = document.createElement("a"); a.href = url; a.target = "_blank"; a.ping = url; a.click(); return "sent"; },
  sharedWorker: (url) => settled((done) => { const w = new SharedWorker(URL.createObjectURL(new Blob(["fetch(" + JSON.stringify(url) + ", { mode: 'no-cors' }).then(() => r('opaque'), () => r('error')); let r; onconnect = ({ ports: [p] }) => { r = (m) => p.postMessage(m); }"]))); w.port.onmessage = ({ data }) => done(data); w.port.start(); }),
  importScripts: (url) => worker("try { importScripts(URL_); postMessage('reached'); } catch { postMessage('error'); }", url),
  module: (url) => import(url).then(() => "reached"),
  worklet: (url) => new AudioContext().audioWorklet.addModule(url).then(() => "reached"),
  paint: (url) => (CSS as any).paintWorklet?.addModule(url).then(() => "reached"),
  speculation: (url) => { const s = document.createElement("script"); s.type = "speculationrules"; s.textContent = JSON.stringify({ prefetch: [{ urls: [url], eagerness: "immediate" }], prerender: [{ urls: [url], eagerness: "immediate" }] }); document.head.append(s); return "sent"; },
  rtc: (_url, host) => settled((done) => {
    const c = new RTCPeerConnection({ iceServers: [{ urls: "stun:" + host }, { urls: "turn:" + host + "?transport=tcp", username: "a", credential: "b" }] });
    c.createDataChannel("x"); c.onicecandidate = ({ candidate }) => { if (candidate === null) done("no more"); else if (/srflx|relay/.test(candidate.candidate)) done("reached"); };
    c.createOffer().then((o) => c.setLocalDescription(o));
  }),
  serviceWorker: () => navigator.serviceWorker.register("/service.js").then(() => "registered"),
  file: () => (frame().contentWindow as any).fetch("file:///etc/passwd").then(() => "reached"),
  fileFrame: () => settled((done) => { const f = frame(); f.onload = () => { try { done(f.contentDocument?.body.innerText || "empty"); } catch { done("closed"); } }; f.src = "file:///etc/passwd"; }),
  chrome: () => settled((done) => { const f = frame(); f.onload = () => { try { done(f.contentDocument?.body.innerText || "empty"); } catch { done("closed"); } }; f.src = "chrome://version"; }),
  chromePopup: () => String(window.open("chrome://version", "_blank", "noopener")),
  download: async (url) => { await 0; const a = document.createElement("a"); a.href = url; a.download = "x"; a.click(); return "sent"; },
  navigate: (url) => { location.href = url; return "sent"; },
};
export default async (request: Request) => {
  const { way, urls } = await request.json();
  const attempt = async (url: string) => ways[way]!(url, new URL(url).host);
  return Response.json(await Promise.all(urls.map((url: string) => attempt(url).catch((error) => "refused " + error?.name))));
};
export const names = () => Object.keys(ways);
`;

describe.skipIf(noChromium)("pages of one browser", () => {
  let server: TestServer;
  let tcp: Server;
  let udp: Socket;
  const arrived: string[] = [];
  beforeAll(async () => {
    tcp = createServer((socket) => {
      arrived.push("tcp");
      socket.on("error", () => {});
      socket.end();
    });
    await new Promise<void>((done) => tcp.listen(0, "0.0.0.0", done));
    udp = createSocket("udp4", () => arrived.push("udp"));
    udp.on("message", () => arrived.push("udp"));
    await new Promise<void>((done) => udp.bind((tcp.address() as { port: number }).port, "0.0.0.0", done));
    const files = {
      "worker.js": WORKER,
      "service.js": "onfetch = (event) => event.respondWith(fetch(event.request));",
    };
    const one = "instances = 1";
    server = await startPages({
      first: { code: KEEPER, files, config: one },
      second: { code: KEEPER, files, config: one },
      escaper: { code: ESCAPER, files, config: `${one}\nlimits = { wall_ms = 30000 }` },
    });
    await fetch(`${server.url}/first`);
  }, 60_000);
  afterAll(async () => {
    await server?.[Symbol.asyncDispose]();
    tcp?.close();
    udp?.close();
  });

  test("keep what they keep to themselves", async () => {
    const get = async (path: string) =>
      (await fetch(`${server.url}${path}`)).json() as Promise<Record<string, unknown>>;
    expect(await get("/first/keep")).toEqual(["first", "first"] as never);
    const second = await get("/second/look");
    expect(second).toEqual({
      ...{ cookie: "", local: null, session: null, indexed: null, cache: null, files: [], heard: [] },
      ...{ worker: ["second"], lock: true, origin: "http://second.localhost" },
    });
    expect(await get("/first/look")).toMatchObject({
      ...{ cookie: "from=first", local: "first", session: "first", indexed: "first", cache: "first" },
      ...{ files: ["from"], lock: false },
    });
  });

  test("share nothing with a program of /run, nor does that with the next one", async () => {
    const run = async (code: string) => (await server.run(code, { headers: { "isopod-engine": "browser" } })).json();
    const code =
      "export default () => { const had = localStorage.length; localStorage.setItem('a', 'b'); return [had, document.cookie, location.href]; }";
    expect(await run(code)).toEqual([0, "", "http://run.localhost/"]);
    expect(await run(`${code}\n`)).toEqual([0, "", "http://run.localhost/"]);
  });

  test("reach nothing by any of the ways out of a page", async () => {
    const { port } = tcp.address() as { port: number };
    // The control: they would be seen.
    await fetch(`http://127.0.0.1:${port}/`).catch(() => {});
    const probe = createSocket("udp4");
    await new Promise((done) => probe.send("x", port, "127.0.0.1", done));
    while (!arrived.includes("udp")) await new Promise((resolve) => setImmediate(resolve));
    probe.close();
    expect(new Set(arrived)).toEqual(new Set(["tcp", "udp"]));
    arrived.length = 0;

    const hosts = [`127.0.0.1:${port}`, `localhost:${port}`, `other.localhost:${port}`, `127.0.1.1:8080`];
    const names = [...ESCAPER.matchAll(/^ {2}(\w+): (?:async )?\(/gm)].map((match) => match[1] as string);
    expect(names.length).toBeGreaterThan(35);
    const results: Record<string, unknown> = {};
    for (const way of names) {
      const body = JSON.stringify({ way, urls: hosts.map((host) => `http://${host}/${way}`) });
      const answer = await fetch(`${server.url}/escaper`, { method: "POST", body });
      // These two may lose their page before it has answered; the next request has another.
      if (!/^(download|navigate)$/.test(way)) expect([way, answer.status]).toEqual([way, 200]);
      results[way] = await answer.json();
    }
    expect(JSON.stringify(results)).not.toMatch(/reached (?!403)|"reached"|root:|Chrom/);
    expect(arrived).toEqual([]);
    expect((await fetch(`${server.url}/second/look`)).status).toBe(200);
  }, 120_000);
});
