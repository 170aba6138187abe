/* Standard streams, waiting, sockets. Standard input holds "hello". */
#include "suite.h"

typedef struct { u64 userdata; u8 type; u8 pad[7]; u32 what; u32 pad2; u64 timeout, precision; u16 flags; u8 pad3[6]; } subscription;
typedef struct { u64 userdata; u16 error; u8 type; u8 pad[5]; u64 bytes; u16 flags; u8 pad2[6]; } event;

static subscription of_clock(u32 clock, u64 timeout, u16 flags) {
  subscription made = {.userdata = 7, .type = 0, .what = clock, .timeout = timeout, .flags = flags};
  return made;
}
static subscription of_fd(u8 type, u32 fd) {
  subscription made = {.userdata = 100 + fd, .type = type, .what = fd};
  return made;
}

void _start(void) {
  begin();
  fdstat stat;
  filestat file;
  char text[64];
  u32 count, got;
  u64 offset;
  for (u32 fd = 0; fd < 3; fd++) {
    is("fd_fdstat_get of a stream", fd_fdstat_get(fd, &stat), OK);
    is("it is neither file nor folder", stat.type != TYPE_FILE && stat.type != TYPE_FOLDER, 1);
    is("fd_filestat_get of a stream", fd_filestat_get(fd, &file), OK);
    is("fd_seek of a stream", fd_seek(fd, 0, 1, &offset), SPIPE);
    is("fd_tell of a stream", fd_tell(fd, &offset), SPIPE);
  }
  is("fd_write to standard input", -put(0, "x"), BADF);
  is("fd_read from standard output", -get(1, text, 1), BADF);
  is("fd_write of nothing", put(1, ""), 0);
  is("fd_write to nothing", -put(99, "x"), BADF);
  is("fd_write to standard error", put(2, "to the log\n"), 11);
  vec many[3] = {{"ok ", 3}, {"", 0}, {"vectors in their order\n", 23}};
  is("fd_write of several", fd_write(1, many, 3, &got), OK);
  is("all of them", got, 26);

  event events[4];
  subscription both[3] = {of_fd(1, 0), of_fd(2, 1), of_clock(1, 3600000000000ull, 0)};
  is("poll_oneoff of streams and an hour", poll_oneoff(both, events, 3, &count), OK);
  is("two are ready", count, 2);
  is("the first is standard input", events[0].userdata, 100);
  is("with all that can be read", events[0].bytes, 5);
  is("for reading", events[0].type, 1);
  is("the second is standard output", events[1].userdata, 101);
  is("for writing", events[1].type, 2);
  is("without errors", events[0].error | events[1].error, OK);

  vec split[2] = {{text, 2}, {text + 2, 62}};
  is("fd_read into two", fd_read(0, split, 2, &got), OK);
  is("reads all that is there", got, 5);
  is("in order", same(text, "hello", 5), 1);
  is("and nothing at the end", get(0, text, 64), 0);

  u64 before, after;
  clock_time_get(1, 1, &before);
  subscription sleep = of_clock(1, 20000000, 0);
  is("poll_oneoff of a time", poll_oneoff(&sleep, events, 1, &count), OK);
  clock_time_get(1, 1, &after);
  is("waits", after - before >= 19000000, 1);
  is("one event", count, 1);
  is("of the one that asked", events[0].userdata, 7);
  subscription absolute = of_clock(0, 1000, 1);
  is("poll_oneoff of a time long ago", poll_oneoff(&absolute, events, 1, &count), OK);
  is("is due at once", count, 1);
  subscription unknown = of_fd(1, 99);
  is("poll_oneoff of nothing that is open", poll_oneoff(&unknown, events, 1, &count), OK);
  is("tells of it", events[0].error, BADF);
  is("poll_oneoff of none", poll_oneoff(&unknown, events, 0, &count), INVAL);
  subscription wrong = of_fd(9, 0);
  is("poll_oneoff of an unknown kind", poll_oneoff(&wrong, events, 1, &count), INVAL);

  u16 flags;
  vec one = {text, 1};
  is("sock_recv of a file", sock_recv(0, &one, 1, 0, &got, &flags), NOTSOCK);
  is("sock_send of a file", sock_send(1, &one, 1, 0, &got), NOTSOCK);
  is("sock_shutdown of a folder", sock_shutdown(TMP, 1), NOTSOCK);
  is("sock_shutdown of nothing", sock_shutdown(99, 1), BADF);
  is("sock_accept of a folder", sock_accept(TMP, 0, &got), NOTSOCK);

  is("fd_close of standard input", fd_close(0), OK);
  is("twice", fd_close(0), BADF);
  is("fd_read from it", -get(0, text, 1), BADF);
}
