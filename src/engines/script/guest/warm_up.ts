/**
 * Goes the way of a program once, with one of ours, while the guest waits in the stock.
 *
 * The first use of each part (parser, module loader, Request, Response, JSON) costs about as much as a small program;
 * paid here, it is not on the way of whoever gets this guest. Nothing of it is seen by the program.
 */
import type { LoadParcel } from "../../../wire/parcels.ts";
import { createConsole } from "../../guest/console.ts";
import { INSPECTOR } from "./inspector.ts";
import { parseProgram } from "./program.ts";

const PROGRAM = "export default (request: Request) => new Response(request.url)";

/** Warms the guest up. Never rejects. */
export async function warmUp(): Promise<void> {
  const load: LoadParcel = { name: "warm_up.ts", language: "typescript", mode: "program", env: {} };
  const evaluated = await parseProgram(load, new TextEncoder().encode(PROGRAM)).evaluate();
  const request = new Request("http://localhost/", { method: "GET", headers: [["host", "localhost"]] });
  const response = (await evaluated?.handler(request, {}, undefined as never)) as Response;
  JSON.stringify({ s: response.status, h: [...response.headers] });
  createConsole(() => {}, INSPECTOR).log("%s", request.url, {});
}
