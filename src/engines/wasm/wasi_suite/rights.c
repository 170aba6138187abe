/* Rights of descriptors, their numbers, and the folders that are open from the beginning. */
#include "suite.h"

static u64 rights_of(u32 fd) {
  fdstat stat;
  return fd_fdstat_get(fd, &stat) ? 0 : stat.rights;
}
static u64 inheriting_of(u32 fd) {
  fdstat stat;
  return fd_fdstat_get(fd, &stat) ? 0 : stat.inheriting;
}

void _start(void) {
  begin();
  prestat before;
  char text[16];
  u64 at;
  filestat stat, other;
  is("fd_prestat_get", fd_prestat_get(ROOT, &before) == OK && before.tag == 0 && before.length == 1, 1);
  is("fd_prestat_dir_name", fd_prestat_dir_name(ROOT, text, 1) == OK && text[0] == '/', 1);
  is("the second one", fd_prestat_get(TMP, &before) == OK && before.length == 4, 1);
  is("is /tmp", fd_prestat_dir_name(TMP, text, 16) == OK && same(text, "/tmp", 4), 1);
  is("fd_prestat_dir_name into little room", fd_prestat_dir_name(TMP, text, 3), NAMETOOLONG);
  is("there is no third", fd_prestat_get(5, &before), BADF);
  is("a stream is none", fd_prestat_get(1, &before), BADF);
  is("a number that no descriptor has", fd_prestat_get(~0u, &before), BADF);
  is("folders cannot be cut", rights_of(ROOT) & SET_SIZE, 0);
  is("folders cannot be read", rights_of(ROOT) & READ, 0);
  is("what is in them can", inheriting_of(ROOT) & READ, READ);

  int fd = open_file(TMP, "file", CREATE);
  is("fd_prestat_get of a file", fd_prestat_get(fd, &before), BADF);
  is("a file has what was asked for", rights_of(fd) & ALL_OF_FILE, ALL_OF_FILE);
  is("fd_fdstat_set_rights", fd_fdstat_set_rights(fd, READ | WRITE | SEEK, 0), OK);
  is("has fewer then", rights_of(fd) == (READ | WRITE | SEEK), 1);
  is("never more again", fd_fdstat_set_rights(fd, READ | WRITE | SEEK | ADVISE, 0), NOTCAPABLE);
  is("fd_advise without the right", fd_advise(fd, 0, 1, 0), NOTCAPABLE);
  is("fd_allocate without the right", fd_allocate(fd, 0, 1), NOTCAPABLE);
  is("fd_sync without the right", fd_sync(fd), NOTCAPABLE);
  is("fd_datasync without the right", fd_datasync(fd), NOTCAPABLE);
  is("fd_filestat_get without the right", fd_filestat_get(fd, &stat), NOTCAPABLE);
  is("fd_filestat_set_times without the right", fd_filestat_set_times(fd, 1, 1, 5), NOTCAPABLE);
  is("fd_fdstat_set_flags without the right", fd_fdstat_set_flags(fd, 0), NOTCAPABLE);
  is("fd_tell by the right to seek", fd_tell(fd, &at), OK);
  is("fd_fdstat_set_rights to none", fd_fdstat_set_rights(fd, 0, 0), OK);
  is("fd_read without the right", -get(fd, text, 1), BADF);
  is("fd_write without the right", -put(fd, "x"), BADF);
  is("fd_seek without the right", fd_seek(fd, 1, 0, &at), NOTCAPABLE);
  fd_close(fd);
  fd = open_as(TMP, "file", 0, 0, 0, 0);
  is("path_open neither to read nor to write", fd > 2, 1);
  is("fd_read of it", -get(fd, text, 1), BADF);
  is("what is neither is there, asked for or not", fd_seek(fd, 1, 0, &at), OK);
  fd_close(fd);

  make_folder(TMP, "folder");
  make_file(TMP, "folder/file", "x");
  int folder = open_as(TMP, "folder", FOLDER, 0, 0, 0);
  is("a folder has what the one above it passes on", rights_of(folder) == rights_of(TMP) && inheriting_of(folder) == inheriting_of(TMP), 1);
  is("fd_fdstat_set_rights of a folder", fd_fdstat_set_rights(folder, OPEN_PATH | READ_FOLDER, READ), OK);
  is("what was passed on", open_as(folder, "file", 0, READ, 0, 0) > 2, 1);
  is("and what was not", open_as(folder, "file", 0, READ | WRITE, 0, 0), -NOTCAPABLE);
  is("path_open of a new one without the right", open_as(folder, "new", CREATE, READ, 0, 0), -NOTCAPABLE);
  is("path_open that cuts without the right", open_as(folder, "file", TRUNCATE, READ, 0, 0), -NOTCAPABLE);
  is("path_create_directory without the right", make_folder(folder, "new"), NOTCAPABLE);
  is("path_unlink_file without the right", remove_file(folder, "file"), NOTCAPABLE);
  is("path_remove_directory without the right", remove_folder(folder, "file"), NOTCAPABLE);
  is("path_filestat_get without the right", stat_of(folder, "file", 0, &stat), NOTCAPABLE);
  is("path_filestat_set_times without the right", path_filestat_set_times(folder, 0, P("file"), 1, 1, 5), NOTCAPABLE);
  is("path_symlink without the right", make_link("file", folder, "link"), NOTCAPABLE);
  is("path_link without the right", path_link(folder, 0, P("file"), TMP, P("same")), NOTCAPABLE);
  is("path_link into it without the right", path_link(TMP, 0, P("file"), folder, P("same")), NOTCAPABLE);
  is("path_rename without the right", path_rename(folder, P("file"), TMP, P("moved")), NOTCAPABLE);
  is("path_rename into it without the right", path_rename(TMP, P("file"), folder, P("moved")), NOTCAPABLE);
  u32 used;
  is("path_readlink without the right", path_readlink(folder, P("file"), text, 16, &used), NOTCAPABLE);
  fd_fdstat_set_rights(folder, 0, 0);
  is("path_open without the right", open_as(folder, "file", 0, 0, 0, 0), -NOTCAPABLE);
  is("fd_readdir without the right", fd_readdir(folder, text, 16, 0, &used), NOTCAPABLE);

  int from = open_file(TMP, "from", CREATE), to = open_file(TMP, "to", CREATE);
  fd_filestat_get(from, &stat);
  is("fd_renumber", fd_renumber(from, to), OK);
  is("is there", fd_filestat_get(to, &other) == OK && other.ino == stat.ino, 1);
  is("and not where it was", fd_close(from), BADF);
  is("fd_renumber to nothing", fd_renumber(to, from), BADF);
  is("fd_renumber of nothing", fd_renumber(from, to), BADF);
  is("fd_renumber to itself", fd_renumber(to, to) == OK && fd_filestat_get(to, &other) == OK, 1);
  is("the lowest number is free again", open_file(TMP, "from", 0), from);
  is("fd_renumber over a folder", fd_renumber(to, ROOT), OK);
  is("which is no longer open", fd_prestat_get(ROOT, &before), BADF);
  is("fd_close of the other one", fd_close(TMP), OK);
  is("it is closed", stat_of(TMP, "file", 0, &stat), BADF);
  int last = 0, opened = 0;
  while ((last = open_as(folder, ".", 0, 0, 0, 0)) > 0 && opened < 5000) opened++;
  is("no way in without a right", last, -NOTCAPABLE);
}
