/* What the programs of this suite stand on: WASI preview 1 as it is declared to a compiler, and checks that are printed. */
#pragma once
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef long long s64;

#define IMPORT(name) __attribute__((import_module("wasi_snapshot_preview1"), import_name(#name))) extern int name
typedef struct { void *at; u32 size; } vec;
typedef struct { u64 dev, ino; u8 type; u64 links, size, accessed, modified, changed; } filestat;
typedef struct { u8 type; u16 flags; u64 rights, inheriting; } fdstat;
typedef struct { u8 tag; u32 length; } prestat;
typedef struct { u64 next, ino; u32 length; u8 type; } dirent;

IMPORT(args_sizes_get)(u32 *, u32 *);
IMPORT(args_get)(char **, char *);
IMPORT(environ_sizes_get)(u32 *, u32 *);
IMPORT(environ_get)(char **, char *);
IMPORT(clock_res_get)(u32, u64 *);
IMPORT(clock_time_get)(u32, u64, u64 *);
IMPORT(random_get)(void *, u32);
IMPORT(sched_yield)(void);
IMPORT(proc_raise)(u32);
IMPORT(poll_oneoff)(const void *, void *, u32, u32 *);
IMPORT(fd_advise)(u32, u64, u64, u32);
IMPORT(fd_allocate)(u32, u64, u64);
IMPORT(fd_close)(u32);
IMPORT(fd_datasync)(u32);
IMPORT(fd_fdstat_get)(u32, fdstat *);
IMPORT(fd_fdstat_set_flags)(u32, u32);
IMPORT(fd_fdstat_set_rights)(u32, u64, u64);
IMPORT(fd_filestat_get)(u32, filestat *);
IMPORT(fd_filestat_set_size)(u32, u64);
IMPORT(fd_filestat_set_times)(u32, u64, u64, u32);
IMPORT(fd_pread)(u32, const vec *, u32, u64, u32 *);
IMPORT(fd_prestat_get)(u32, prestat *);
IMPORT(fd_prestat_dir_name)(u32, char *, u32);
IMPORT(fd_pwrite)(u32, const vec *, u32, u64, u32 *);
IMPORT(fd_read)(u32, const vec *, u32, u32 *);
IMPORT(fd_readdir)(u32, void *, u32, u64, u32 *);
IMPORT(fd_renumber)(u32, u32);
IMPORT(fd_seek)(u32, s64, u32, u64 *);
IMPORT(fd_sync)(u32);
IMPORT(fd_tell)(u32, u64 *);
IMPORT(fd_write)(u32, const vec *, u32, u32 *);
IMPORT(path_create_directory)(u32, const char *, u32);
IMPORT(path_filestat_get)(u32, u32, const char *, u32, filestat *);
IMPORT(path_filestat_set_times)(u32, u32, const char *, u32, u64, u64, u32);
IMPORT(path_link)(u32, u32, const char *, u32, u32, const char *, u32);
IMPORT(path_open)(u32, u32, const char *, u32, u32, u64, u64, u32, u32 *);
IMPORT(path_readlink)(u32, const char *, u32, char *, u32, u32 *);
IMPORT(path_remove_directory)(u32, const char *, u32);
IMPORT(path_rename)(u32, const char *, u32, u32, const char *, u32);
IMPORT(path_symlink)(const char *, u32, u32, const char *, u32);
IMPORT(path_unlink_file)(u32, const char *, u32);
IMPORT(sock_accept)(u32, u32, u32 *);
IMPORT(sock_recv)(u32, const vec *, u32, u32, u32 *, u16 *);
IMPORT(sock_send)(u32, const vec *, u32, u32, u32 *);
IMPORT(sock_shutdown)(u32, u32);

enum { OK = 0, BADF = 8, EXIST = 20, ILSEQ = 25, INVAL = 28, ISDIR = 31, LOOP = 32, MFILE = 33, NAMETOOLONG = 37 };
enum { NOENT = 44, NOSPC = 51, NOTDIR = 54, NOTEMPTY = 55, NOTSOCK = 57, NOTSUP = 58, PERM = 63, ROFS = 69 };
enum { SPIPE = 70, XDEV = 75, NOTCAPABLE = 76 };
enum { CREATE = 1, FOLDER = 2, EXCLUSIVE = 4, TRUNCATE = 8 };
enum { FOLLOW = 1, APPEND = 1, TYPE_FOLDER = 3, TYPE_FILE = 4, TYPE_LINK = 7 };
#define RIGHT(bit) (1ull << (bit))
#define DATASYNC RIGHT(0)
#define READ RIGHT(1)
#define SEEK RIGHT(2)
#define SET_FLAGS RIGHT(3)
#define SYNC RIGHT(4)
#define TELL RIGHT(5)
#define WRITE RIGHT(6)
#define ADVISE RIGHT(7)
#define ALLOCATE RIGHT(8)
#define OPEN_PATH RIGHT(13)
#define READ_FOLDER RIGHT(14)
#define STAT RIGHT(21)
#define SET_SIZE RIGHT(22)
#define SET_TIMES RIGHT(23)
#define ALL_OF_FILE (RIGHT(9) - 1 | STAT | SET_SIZE | SET_TIMES)
#define ALL_OF_FOLDER (((RIGHT(27) - RIGHT(9)) & ~SET_SIZE) | DATASYNC | SET_FLAGS | SYNC)
/* The folders that every command finds open. */
enum { ROOT = 3, TMP = 4 };

__attribute__((used)) void *memcpy(void *to, const void *from, unsigned long size) {
  for (u32 at = 0; at < size; at++) ((volatile u8 *)to)[at] = ((const u8 *)from)[at];
  return to;
}
__attribute__((used)) void *memset(void *to, int value, unsigned long size) {
  for (u32 at = 0; at < size; at++) ((volatile u8 *)to)[at] = value;
  return to;
}
static u32 length(const char *text) {
  u32 size = 0;
  while (text[size]) size++;
  return size;
}
static int same(const void *one, const void *other, u32 size) {
  for (u32 at = 0; at < size; at++) if (((const u8 *)one)[at] != ((const u8 *)other)[at]) return 0;
  return 1;
}
static void print(const char *text) {
  u32 written;
  vec all = {(void *)text, length(text)};
  fd_write(1, &all, 1, &written);
}
static void print_number(s64 value) {
  char digits[24];
  int at = 23;
  u64 rest = value < 0 ? -(u64)value : (u64)value;
  digits[at] = 0;
  do digits[--at] = '0' + rest % 10; while (rest /= 10);
  if (value < 0) digits[--at] = '-';
  print(digits + at);
}
/* One check: what came, and what was to come. */
static void is(const char *what, s64 got, s64 expected) {
  print(got == expected ? "ok " : "not ok ");
  print(what);
  if (got != expected) { print(": "); print_number(got); print(" and not "); print_number(expected); }
  print("\n");
}
static void begin(void) { print("Content-Type: text/plain\n\n"); }

#define P(path) (path), length(path)
/* The descriptor, or the error as a negative number. */
static int open_as(u32 folder, const char *path, u32 how, u64 rights, u64 inheriting, u32 flags) {
  u32 fd;
  int error = path_open(folder, 0, P(path), how, rights, inheriting, flags, &fd);
  return error ? -error : (int)fd;
}
static int open_file(u32 folder, const char *path, u32 how) { return open_as(folder, path, how, ALL_OF_FILE, 0, 0); }
static int open_folder(u32 folder, const char *path) {
  return open_as(folder, path, FOLDER, ALL_OF_FOLDER, ALL_OF_FOLDER | ALL_OF_FILE, 0);
}
/* The number of bytes, or the error as a negative number. */
static int put(u32 fd, const char *text) {
  u32 written;
  vec all = {(void *)text, length(text)};
  int error = fd_write(fd, &all, 1, &written);
  return error ? -error : (int)written;
}
static int get(u32 fd, void *into, u32 size) {
  u32 read;
  vec all = {into, size};
  int error = fd_read(fd, &all, 1, &read);
  return error ? -error : (int)read;
}
static int make_file(u32 folder, const char *path, const char *text) {
  int fd = open_file(folder, path, CREATE | TRUNCATE);
  if (fd < 0) return fd;
  int written = put(fd, text);
  fd_close(fd);
  return written;
}
static int make_folder(u32 folder, const char *path) { return path_create_directory(folder, P(path)); }
static int remove_file(u32 folder, const char *path) { return path_unlink_file(folder, P(path)); }
static int remove_folder(u32 folder, const char *path) { return path_remove_directory(folder, P(path)); }
static int make_link(const char *target, u32 folder, const char *path) { return path_symlink(P(target), folder, P(path)); }
static int rename_in(u32 folder, const char *from, const char *to) { return path_rename(folder, P(from), folder, P(to)); }
static int stat_of(u32 folder, const char *path, u32 follow, filestat *stat) { return path_filestat_get(folder, follow, P(path), stat); }
/* How many entries of a folder have this name; all of them where it is 0. Reads in small pieces. */
static int count_entries(u32 fd, const char *name) {
  u8 buffer[300];
  u64 cookie = 0;
  int count = 0;
  for (;;) {
    u32 used, at = 0;
    if (fd_readdir(fd, buffer, sizeof buffer, cookie, &used)) return -1;
    while (at + sizeof(dirent) <= used) {
      dirent entry;
      memcpy(&entry, buffer + at, sizeof entry);
      if (at + sizeof entry + entry.length > used) break;
      if (!name || (entry.length == length(name) && same(buffer + at + sizeof entry, name, entry.length))) count++;
      at += sizeof entry + entry.length;
      cookie = entry.next;
    }
    if (used < sizeof buffer) return count;
    if (at == 0) return -2;
  }
}
