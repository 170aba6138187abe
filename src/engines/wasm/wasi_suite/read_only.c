/* The function's files can be read, and changed by no call. */
#include "suite.h"

void _start(void) {
  begin();
  char text[64];
  filestat before, after;
  u32 got;
  int fd = open_as(ROOT, "hello.txt", 0, READ | SEEK | TELL | STAT | ADVISE, 0, 0);
  is("path_open to read", fd > 2, 1);
  is("fd_read", get(fd, text, 64) == 6 && same(text, "hello\n", 6), 1);
  is("fd_filestat_get", fd_filestat_get(fd, &before), OK);
  fd_close(fd);
  is("path_open to write", open_as(ROOT, "hello.txt", 0, READ | WRITE, 0, 0), -ROFS);
  is("path_open to cut", open_as(ROOT, "hello.txt", TRUNCATE, READ, 0, 0), -ROFS);
  is("path_open of a new one", open_file(ROOT, "new.txt", CREATE), -ROFS);
  is("path_open of a new one in a folder", open_file(ROOT, "deep/new.txt", CREATE), -ROFS);
  is("path_open with all rights but writing", (fd = open_as(ROOT, "hello.txt", 0, ALL_OF_FILE & ~WRITE, 0, 0)) > 2, 1);
  vec one = {text, 1};
  is("fd_pwrite", fd_pwrite(fd, &one, 1, 0, &got), BADF);
  is("fd_filestat_set_size", fd_filestat_set_size(fd, 0), BADF);
  is("fd_allocate", fd_allocate(fd, 0, 100), BADF);
  is("fd_filestat_set_times", fd_filestat_set_times(fd, 1, 1, 5), ROFS);
  fd_close(fd);
  is("path_filestat_set_times", path_filestat_set_times(ROOT, 0, P("hello.txt"), 1, 1, 5), ROFS);
  is("path_create_directory", make_folder(ROOT, "new"), ROFS);
  is("path_remove_directory of a full one", remove_folder(ROOT, "deep"), ROFS);
  is("path_unlink_file", remove_file(ROOT, "hello.txt"), ROFS);
  is("path_symlink", make_link("hello.txt", ROOT, "new"), ROFS);
  is("path_rename", rename_in(ROOT, "hello.txt", "new"), ROFS);
  is("path_rename out", path_rename(ROOT, P("hello.txt"), TMP, P("new")), ROFS);
  make_file(TMP, "mine", "mine");
  is("path_rename in", path_rename(TMP, P("mine"), ROOT, P("new")), ROFS);
  is("path_rename over one", path_rename(TMP, P("mine"), ROOT, P("hello.txt")), ROFS);
  is("path_link in", path_link(TMP, 0, P("mine"), ROOT, P("new")), ROFS);
  is("path_link out", path_link(ROOT, 0, P("hello.txt"), TMP, P("new")), XDEV);
  is("path_remove_directory of /tmp", remove_folder(ROOT, "tmp"), ROFS);
  is("path_rename of /tmp", rename_in(ROOT, "tmp", "other"), ROFS);
  is("path_rename of a folder of /tmp", make_folder(TMP, "a") == OK && path_rename(TMP, P("a"), ROOT, P("a")) == ROFS, 1);
  int folder = open_folder(ROOT, "deep");
  is("fd_filestat_set_times of a folder", fd_filestat_set_times(folder, 1, 1, 5), ROFS);
  is("a folder that is open", open_file(folder, "new", CREATE), -ROFS);
  is("its entries", count_entries(folder, 0), 4);
  stat_of(ROOT, "hello.txt", 0, &after);
  is("it is as it was", before.size == after.size && before.modified == after.modified && before.ino == after.ino, 1);
}
