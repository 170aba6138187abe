/* A directory that is filled from a bucket: its objects are files that can be read, and nothing else. */
#include "suite.h"

enum { MODELS = 5 };

void _start(void) {
  begin();
  char text[64];
  prestat found;
  is("fd_prestat_get", fd_prestat_get(MODELS, &found) == OK && found.length == 7, 1);
  is("fd_prestat_dir_name", fd_prestat_dir_name(MODELS, text, 7) == OK && same(text, "/models", 7), 1);
  filestat stat;
  is("path_filestat_get before it is opened", stat_of(MODELS, "hello.txt", 0, &stat), OK);
  is("its size", stat.size, 6);
  is("its type", stat.type, TYPE_FILE);
  is("its time", stat.modified > 1700000000000000000ull, 1);
  int fd = open_as(MODELS, "hello.txt", 0, READ | SEEK | TELL | STAT, 0, 0);
  is("path_open", fd > MODELS, 1);
  is("fd_read", get(fd, text, 64) == 6 && same(text, "hello\n", 6), 1);
  is("fd_filestat_get", fd_filestat_get(fd, &stat) == OK && stat.size == 6, 1);
  int again = open_as(MODELS, "hello.txt", 0, READ, 0, 0);
  is("path_open of one that is open", again > fd, 1);
  fd_close(fd);
  is("fd_read of the other descriptor", get(again, text, 64) == 6 && same(text, "hello\n", 6), 1);
  fd_close(again);
  is("path_open from the root", (fd = open_as(ROOT, "models/deep/er/b", 0, READ, 0, 0)) > MODELS, 1);
  is("fd_read of that", get(fd, text, 64) == 1 && text[0] == 'b', 1);
  fd_close(fd);
  is("path_open of a missing one", open_as(MODELS, "none", 0, READ, 0, 0), -NOENT);
  is("path_open outside the prefix", open_as(MODELS, "outside", 0, READ, 0, 0), -NOENT);
  is("path_open that leads out", open_as(MODELS, "../outside", 0, READ, 0, 0), -NOTCAPABLE);
  is("path_open below a file", open_as(MODELS, "hello.txt/x", 0, READ, 0, 0), -NOTDIR);
  is("path_open to write", open_as(MODELS, "hello.txt", 0, READ | WRITE, 0, 0), -ROFS);
  is("path_open to cut", open_as(MODELS, "hello.txt", TRUNCATE, READ, 0, 0), -ROFS);
  is("path_open of a new one", open_file(MODELS, "new", CREATE), -ROFS);
  is("path_unlink_file", remove_file(MODELS, "hello.txt"), ROFS);
  is("path_rename out", path_rename(MODELS, P("hello.txt"), TMP, P("new")), ROFS);
  is("path_link out", path_link(MODELS, 0, P("hello.txt"), TMP, P("new")), XDEV);
  is("its entries: two dots, two folders, a file", count_entries(MODELS, 0), 5);
  is("a folder that is a key of its own", open_folder(MODELS, "empty") > MODELS, 1);
}
