/**
 * The peer of functions in a page: `page.evaluate` of puppeteer behind node:http, one browser, one page.
 *
 * As root it becomes an ordinary user first, so that the browser's own sandbox stays on. Its arguments are the browser, and
 * a folder for its profile.
 */
import { createServer } from "node:http";
import puppeteer from "puppeteer-core";

if (process.getuid() === 0) {
  process.setgroups([]);
  process.setgid(65534);
  process.setuid(65534);
}
process.env.HOME = "/tmp";
const [, , executablePath, userDataDir] = process.argv;
const browser = await puppeteer.launch({ executablePath, userDataDir, headless: "shell", pipe: true });
const page = await browser.newPage();
await page.evaluate(() => {
  globalThis.handler = () => "hello world";
});
const server = createServer(async (request, response) => {
  try {
    response.end(await page.evaluate((url) => globalThis.handler(url), request.url));
  } catch (error) {
    response.writeHead(500).end(String(error));
  }
});
server.listen(0, "127.0.0.1", () => console.log(JSON.stringify({ port: server.address().port })));
// Killed, the browser ends with its pipes.
