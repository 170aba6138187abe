/* The data of files: reading, writing, places in them, sizes, flags. */
#include "suite.h"

static u64 size_of(u32 fd) {
  filestat stat;
  return fd_filestat_get(fd, &stat) ? (u64)-1 : stat.size;
}
static s64 seek(u32 fd, s64 delta, u32 whence) {
  u64 at;
  int error = fd_seek(fd, delta, whence, &at);
  return error ? -error : (s64)at;
}

void _start(void) {
  begin();
  char text[64];
  u32 got;
  u64 at;
  int fd = open_file(TMP, "file", CREATE | EXCLUSIVE);
  is("path_open of a new file", fd > 2, 1);
  is("an empty one", size_of(fd), 0);
  is("fd_read of an empty file", get(fd, text, 64), 0);
  is("fd_write", put(fd, "hello world"), 11);
  is("fd_tell", fd_tell(fd, &at) == OK && at == 11, 1);
  is("fd_seek to a place", seek(fd, 6, 0), 6);
  is("fd_read", get(fd, text, 64), 5);
  is("what was written", same(text, "world", 5), 1);
  is("fd_seek from here", seek(fd, -3, 1), 8);
  is("fd_seek from the end", seek(fd, -11, 2), 0);
  is("fd_seek before the beginning", seek(fd, -1, 0), -INVAL);
  is("fd_seek from nowhere", seek(fd, 0, 3), -INVAL);
  is("and it stays where it was", seek(fd, 0, 1), 0);
  is("fd_seek beyond the end", seek(fd, 20, 0), 20);
  is("leaves the size", size_of(fd), 11);
  is("fd_write there", put(fd, "!"), 1);
  is("makes it longer", size_of(fd), 21);
  vec part = {text, 9};
  is("fd_pread", fd_pread(fd, &part, 1, 11, &got), OK);
  is("of the hole", got == 9 && same(text, "\0\0\0\0\0\0\0\0\0", 9), 1);
  is("leaves the place", seek(fd, 0, 1), 21);
  is("fd_pread beyond the end", fd_pread(fd, &part, 1, 100, &got) == OK && got == 0, 1);
  vec word = {"WORLD", 5};
  is("fd_pwrite", fd_pwrite(fd, &word, 1, 6, &got) == OK && got == 5, 1);
  is("leaves the place, too", seek(fd, 0, 1), 21);
  is("and the size", size_of(fd), 21);
  fd_pread(fd, &part, 1, 5, &got);
  is("writes where it was told", same(text, " WORLD", 6), 1);

  is("fd_filestat_set_size shorter", fd_filestat_set_size(fd, 5), OK);
  is("is shorter", size_of(fd), 5);
  is("fd_filestat_set_size longer", fd_filestat_set_size(fd, 8), OK);
  is("ends in zeros", fd_pread(fd, &part, 1, 5, &got) == OK && got == 3 && same(text, "\0\0\0", 3), 1);
  is("fd_allocate", fd_allocate(fd, 4, 6), OK);
  is("makes it longer", size_of(fd), 10);
  is("fd_allocate of what is there", fd_allocate(fd, 0, 4), OK);
  is("changes nothing", size_of(fd), 10);
  is("fd_allocate of nothing", fd_allocate(fd, 0, 0), INVAL);
  is("fd_allocate of more than there is", fd_allocate(fd, 0, 1ull << 40), NOSPC);
  is("fd_allocate of more than any file", fd_allocate(fd, ~0ull, 1), INVAL);
  is("fd_advise", fd_advise(fd, 0, 5, 0), OK);
  is("fd_advise of what there is not", fd_advise(fd, 0, 5, 6), INVAL);
  is("fd_sync", fd_sync(fd), OK);
  is("fd_datasync", fd_datasync(fd), OK);

  fdstat stat;
  is("fd_fdstat_get", fd_fdstat_get(fd, &stat), OK);
  is("it is a file", stat.type, TYPE_FILE);
  is("without flags", stat.flags, 0);
  is("fd_fdstat_set_flags", fd_fdstat_set_flags(fd, APPEND), OK);
  seek(fd, 0, 0);
  is("fd_write behind the end", put(fd, "end"), 3);
  is("wherever it was", size_of(fd), 13);
  is("and is there then", seek(fd, 0, 1), 13);
  fd_fdstat_get(fd, &stat);
  is("the flag is told", stat.flags, APPEND);
  is("fd_fdstat_set_flags to what there is not", fd_fdstat_set_flags(fd, 1 << 9), INVAL);
  is("fd_close", fd_close(fd), OK);
  is("fd_close twice", fd_close(fd), BADF);
  is("fd_tell of a closed one", fd_tell(fd, &at), BADF);

  is("path_open of what is there, as new", open_file(TMP, "file", CREATE | EXCLUSIVE), -EXIST);
  is("path_open of nothing", open_file(TMP, "nothing", 0), -NOENT);
  fd = open_file(TMP, "file", TRUNCATE);
  is("path_open cuts", size_of(fd), 0);
  fd_close(fd);
  fd = open_as(TMP, "file", 0, READ | SEEK | STAT, 0, 0);
  is("fd_write of one that is for reading", -put(fd, "x"), BADF);
  is("fd_filestat_set_size of one that is for reading", fd_filestat_set_size(fd, 1), BADF);
  is("fd_allocate of one that is for reading", fd_allocate(fd, 0, 1), BADF);
  fd_close(fd);
  fd = open_as(TMP, "file", 0, WRITE, 0, 0);
  is("fd_read of one that is for writing", -get(fd, text, 1), BADF);
  fd_close(fd);

  int first = open_file(TMP, "file", 0), second = open_file(TMP, "file", 0);
  put(first, "shared");
  is("two descriptors of one file", get(second, text, 64) == 6 && same(text, "shared", 6), 1);
  is("path_unlink_file of an open one", remove_file(TMP, "file"), OK);
  is("it is still there for who has it", seek(second, 0, 0) == 0 && get(second, text, 64) == 6, 1);
  is("and for nobody else", open_file(TMP, "file", 0), -NOENT);
  fd_close(first);
  fd_close(second);
}
