/** What each function that modules can import takes and gives, in the form of `signatures.ts`. */
import type { LoadedModule } from "./loaded_module.ts";
import { signatureText } from "./signatures.ts";

const ENV = {
  log: "iI>",
  response_set_status_line: "iiI>",
  response_set_header: "iIiI>",
  response_set_body: "iI>",
  request_method: "iI>I",
  request_url: "iI>I",
  request_header: "iIiI>I",
  request_body: "iI>I",
  db_get: "iIiI>I",
  last_value: "iI>I",
  tcp_connect: "iI>i",
  tcp_read: "iiI>I",
  tcp_write: "iiI>I",
  kv_get: "iIiIiI>I",
  kv_put: "iIiIiII>i",
  kv_delete: "iIiI>i",
  kv_list: "iIiIiI>I",
  sql_query: "iIiIiIiI>I",
  sql_batch: "iIiIiI>I",
  blob_get: "iIiIiI>I",
  blob_read: "iIiIIiI>I",
  blob_head: "iIiIiI>I",
  blob_put: "iIiIiIiI>i",
  blob_delete: "iIiI>i",
  blob_list: "iIiIiI>I",
  queue_send: "iIiIiI>i",
  http_request: "iIiIiIiI>I",
  last_status: ">i",
  last_header: "iIiI>I",
} as const;

/** Of WASI preview 1. */
export const WASI_SIGNATURES = {
  args_get: "ii>i",
  args_sizes_get: "ii>i",
  environ_get: "ii>i",
  environ_sizes_get: "ii>i",
  clock_res_get: "ii>i",
  clock_time_get: "iIi>i",
  fd_advise: "iIIi>i",
  fd_allocate: "iII>i",
  fd_close: "i>i",
  fd_datasync: "i>i",
  fd_fdstat_get: "ii>i",
  fd_fdstat_set_flags: "ii>i",
  fd_fdstat_set_rights: "iII>i",
  fd_filestat_get: "ii>i",
  fd_filestat_set_size: "iI>i",
  fd_filestat_set_times: "iIIi>i",
  fd_pread: "iiiIi>i",
  fd_prestat_get: "ii>i",
  fd_prestat_dir_name: "iii>i",
  fd_pwrite: "iiiIi>i",
  fd_read: "iiii>i",
  fd_readdir: "iiiIi>i",
  fd_renumber: "ii>i",
  fd_seek: "iIii>i",
  fd_sync: "i>i",
  fd_tell: "ii>i",
  fd_write: "iiii>i",
  path_create_directory: "iii>i",
  path_filestat_get: "iiiii>i",
  path_filestat_set_times: "iiiiIIi>i",
  path_link: "iiiiiii>i",
  path_open: "iiiiiIIii>i",
  path_readlink: "iiiiii>i",
  path_remove_directory: "iii>i",
  path_rename: "iiiiii>i",
  path_symlink: "iiiii>i",
  path_unlink_file: "iii>i",
  poll_oneoff: "iiii>i",
  proc_exit: "i>",
  proc_raise: "i>i",
  random_get: "ii>i",
  sched_yield: ">i",
  sock_accept: "iii>i",
  sock_recv: "iiiiii>i",
  sock_send: "iiiii>i",
  sock_shutdown: "ii>i",
} as const;

const KNOWN = new Map<string, Readonly<Record<string, string>>>([
  ["env", ENV],
  ["wasi_snapshot_preview1", WASI_SIGNATURES],
]);

/** @throws {TypeError} naming a function that the module imports as what it is not */
export function checkSignatures({ signatures, fail }: LoadedModule): void {
  for (const { module, name, signature } of signatures?.imported ?? []) {
    const functions = KNOWN.get(module) ?? {};
    const known = Object.hasOwn(functions, name) ? functions[name] : undefined;
    if (known === undefined || known === signature) continue;
    fail(`it imports "${module}.${name}" as ${signatureText(signature)}, and it is ${signatureText(known)}`);
  }
}

/** @throws {TypeError} when the export that is called takes or gives something */
export function checkEntry({ signatures, fail }: LoadedModule, name: string): void {
  const signature = signatures?.exported.get(name) ?? ">";
  if (signature === ">") return;
  fail(
    `its export "${name}" has parameters or results: it is ${signatureText(signature)}, and what is called has none`,
  );
}
