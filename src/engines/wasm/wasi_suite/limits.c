/* What /tmp may hold, and how much may be open. /tmp has a mebibyte here. */
#include "suite.h"

static char block[65536];

void _start(void) {
  begin();
  filestat stat;
  u32 written;
  vec all = {block, sizeof block};
  int fd = open_file(TMP, "big", CREATE), blocks = 0, error = 0;
  while (blocks < 100 && !(error = fd_write(fd, &all, 1, &written))) blocks++;
  is("/tmp is full", error, NOSPC);
  is("after what was said", blocks, 15);
  is("nothing of the last block is there", fd_filestat_get(fd, &stat) == OK && stat.size == 15 * sizeof block, 1);
  is("by any call", fd_filestat_set_size(fd, 1ull << 30), NOSPC);
  is("nor by one far away", fd_pwrite(fd, &all, 1, 1ull << 45, &written), NOSPC);
  is("a shorter one gives room", fd_filestat_set_size(fd, 0), OK);
  for (blocks = 0; blocks < 100 && !fd_pwrite(fd, &all, 1, blocks * sizeof block, &written); blocks++) {}
  is("for as much again", blocks, 15);
  is("path_unlink_file of an open one", remove_file(TMP, "big"), OK);
  is("gives no room", make_file(TMP, "other", block), 0);
  int other = open_file(TMP, "other", 0);
  is("as long as it is open", fd_write(other, &all, 1, &written), NOSPC);
  fd_close(fd);
  is("and all when it is closed", fd_write(other, &all, 1, &written), OK);
  fd_close(other);
  remove_file(TMP, "other");

  char name[] = "n0000";
  int files = 0;
  for (; files < 10000; files++) {
    name[1] = '0' + files / 1000, name[2] = '0' + files / 100 % 10, name[3] = '0' + files / 10 % 10, name[4] = '0' + files % 10;
    if ((error = make_folder(TMP, name))) break;
  }
  is("empty folders fill it, too", error, NOSPC);
  is("some two thousand", files > 1500 && files < 2100, 1);
  while (files-- > 0) {
    name[1] = '0' + files / 1000, name[2] = '0' + files / 100 % 10, name[3] = '0' + files / 10 % 10, name[4] = '0' + files % 10;
    if ((error = remove_folder(TMP, name))) break;
  }
  is("they can be removed", error, OK);
  fd = open_file(TMP, "last", CREATE);
  for (blocks = 0; blocks < 100 && !fd_write(fd, &all, 1, &written); blocks++) {}
  is("and all of the room is there", blocks, 15);
  fd_close(fd);

  int opened = 0;
  while (opened < 5000 && (fd = open_as(TMP, "last", 0, READ, 0, 0)) > 0) opened++;
  is("a thousand may be open", -fd, MFILE);
  is("with the five there were", opened, 1024 - 5);
}
