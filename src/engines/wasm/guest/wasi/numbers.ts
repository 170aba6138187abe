/**
 * The numbers of WASI preview 1 that both sides know. Plain literals: what is put together as the guest boots brings up
 * the compiler's threads, and a zygote must have one thread.
 * https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md
 */

/** Errors. */
export const ERRNO = {
  success: 0,
  badf: 8,
  exist: 20,
  fbig: 22,
  ilseq: 25,
  inval: 28,
  io: 29,
  isdir: 31,
  loop: 32,
  mfile: 33,
  nametoolong: 37,
  noent: 44,
  nospc: 51,
  notdir: 54,
  notempty: 55,
  notsock: 57,
  notsup: 58,
  perm: 63,
  rofs: 69,
  spipe: 70,
  xdev: 75,
  notcapable: 76,
} as const;

/** What a descriptor may be used for, a bit each. */
export const RIGHT = {
  fd_datasync: 0x1,
  fd_read: 0x2,
  fd_seek: 0x4,
  fd_fdstat_set_flags: 0x8,
  fd_sync: 0x10,
  fd_tell: 0x20,
  fd_write: 0x40,
  fd_advise: 0x80,
  fd_allocate: 0x100,
  path_create_directory: 0x200,
  path_create_file: 0x400,
  path_link_source: 0x800,
  path_link_target: 0x1000,
  path_open: 0x2000,
  fd_readdir: 0x4000,
  path_readlink: 0x8000,
  path_rename_source: 0x1_0000,
  path_rename_target: 0x2_0000,
  path_filestat_get: 0x4_0000,
  path_filestat_set_size: 0x8_0000,
  path_filestat_set_times: 0x10_0000,
  fd_filestat_get: 0x20_0000,
  fd_filestat_set_size: 0x40_0000,
  fd_filestat_set_times: 0x80_0000,
  path_symlink: 0x100_0000,
  path_remove_directory: 0x200_0000,
  path_unlink_file: 0x400_0000,
  poll_fd_readwrite: 0x800_0000,
} as const;

/** All of them, those of sockets included. */
export const RIGHTS_ALL = 0x3fff_ffff;
/** Those that mean something for a file: of 0 to 8, 21 to 23, and 27. */
export const RIGHTS_OF_FILES = 0x8e0_01ff;
/** Those that mean something for a folder: 3, 4, 0, 9 to 26. */
export const RIGHTS_OF_FOLDERS = 0x7bf_fe19;

/** What a descriptor or a name stands for. */
export const FILE_TYPE = { unknown: 0, folder: 3, file: 4, link: 7 } as const;

/** How `path_open` opens. */
export const OPEN = { create: 1, folder: 2, exclusive: 4, truncate: 8 } as const;
/** Whether a link at the end of a path is followed. */
export const FOLLOW = 1;
/** Flags of a descriptor; the only one that means something in memory is that writes go to the end. */
export const FLAG = { append: 1, all: 31 } as const;
/** Where `fd_seek` counts from. */
export const WHENCE = { start: 0, current: 1, end: 2 } as const;
/** Which times are set, and to what. */
export const TIMES = { accessed: 1, accessedNow: 2, modified: 4, modifiedNow: 8, all: 15 } as const;
/** The clocks. */
export const CLOCK = { realtime: 0, monotonic: 1, threadTime: 3 } as const;
/** The name of each kind of event. */
export const EVENT = { clock: 0, read: 1, write: 2 } as const;

/** A call was refused: the module gets the number. */
export class Refusal extends Error {
  readonly errno: number;

  constructor(name: keyof typeof ERRNO) {
    super(name);
    this.errno = ERRNO[name];
  }
}

/** Ends the call with this error. @throws {Refusal} */
export function refuse(name: keyof typeof ERRNO): never {
  throw new Refusal(name);
}
