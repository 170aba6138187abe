/** How Chromium is started: as a browser without a window, whose own sandbox stays on and which speaks to nobody by itself. */

/** The port that the guest's server has on each address. */
export const PROXY_PORT = 8080;

/** The arguments. `--no-sandbox` is never among them. */
export const CHROMIUM_FLAGS: readonly string[] = [
  "--headless",
  "--remote-debugging-pipe",
  "--user-data-dir=/tmp/profile",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--no-default-browser-check",
  "--no-pings",
  "--hide-scrollbars",
  "--mute-audio",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--disable-extensions",
  "--disable-breakpad",
  "--disable-background-timer-throttling",
  "--disable-renderer-backgrounding",
  "--disable-backgrounding-occluded-windows",
  "--disable-dev-shm-usage",
  // Functions may use WebGL; there is no graphics card, so that it is computed.
  "--enable-unsafe-swiftshader",
  "--disable-gpu-process-crash-limit",
  // Each function has processes of its own, however many there are.
  "--renderer-process-limit=1000",
  "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",
  // Dead: a context without a proxy of its own reaches nothing.
  "--proxy-server=http://127.0.0.1:9",
  "--proxy-bypass-list=<-loopback>",
  "--js-flags=--max-old-space-size=1024",
];
