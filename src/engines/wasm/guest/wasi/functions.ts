/** The functions of WASI preview 1 by their names. */
import { ERRNO, type WasiSystem } from "./system.ts";

/**
 * Of preview 1 beside those of `WasiSystem`: all that takes a descriptor of a file, a folder or a socket. A text, because
 * closures that run often as the guest boots bring up the compiler's threads, and a zygote must have one thread.
 */
const WITH_DESCRIPTOR =
  "fd_advise fd_allocate fd_datasync fd_fdstat_set_rights fd_filestat_get fd_filestat_set_size fd_filestat_set_times " +
  "fd_pread fd_prestat_dir_name fd_prestat_get fd_pwrite fd_readdir fd_renumber fd_sync fd_tell path_create_directory " +
  "path_filestat_get path_filestat_set_times path_link path_open path_readlink path_remove_directory path_rename " +
  "path_symlink path_unlink_file sock_accept sock_recv sock_send sock_shutdown";

/** The function of this name; undefined when there is none. */
export function wasiFunction(system: WasiSystem, name: string): ((...values: never[]) => unknown) | undefined {
  if (WITH_DESCRIPTOR.split(" ").includes(name)) return () => ERRNO.badf;
  if (name === "proc_raise") return () => ERRNO.notsup;
  if (name === "output" || !Object.hasOwn(system, name)) return undefined;
  return system[name as keyof WasiSystem];
}
