# workerd as a peer: a static handler, and its worker loader for a fixed and for fresh programs.
using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [
    (name = "static", worker = (
      modules = [(name = "static.js", esModule = embed "workerd_static.js")],
      compatibilityDate = "2026-01-01",
    )),
    (name = "loader", worker = (
      modules = [(name = "loader.js", esModule = embed "workerd_loader.js")],
      compatibilityDate = "2026-01-01",
      bindings = [(name = "LOADER", workerLoader = ())],
    )),
  ],
  sockets = [
    (name = "static", address = "127.0.0.1:0", http = (), service = "static"),
    (name = "loader", address = "127.0.0.1:0", http = (), service = "loader"),
  ],
);
