/* Folders: making, listing, moving and removing, and what they are not for. */
#include "suite.h"

static char names[1100][8];

void _start(void) {
  begin();
  filestat stat, other;
  u8 buffer[64];
  char text[16];
  u32 used;
  u64 at;
  vec one = {text, 1};
  is("path_create_directory", make_folder(TMP, "folder"), OK);
  is("twice", make_folder(TMP, "folder"), EXIST);
  is("with a slash at its end", make_folder(TMP, "other/"), OK);
  is("in nothing", make_folder(TMP, "nothing/folder"), NOENT);
  int fd = open_folder(TMP, "folder");
  is("path_open of a folder", fd > 2, 1);
  is("fd_filestat_get", fd_filestat_get(fd, &stat), OK);
  is("it is a folder", stat.type, TYPE_FOLDER);
  is("fd_read of a folder", -get(fd, text, 1), ISDIR);
  is("fd_write of a folder", -put(fd, "x"), ISDIR);
  is("fd_pread of a folder", fd_pread(fd, &one, 1, 0, &used), ISDIR);
  is("fd_pwrite of a folder", fd_pwrite(fd, &one, 1, 0, &used), ISDIR);
  is("fd_seek of a folder", fd_seek(fd, 0, 0, &at), ISDIR);
  is("fd_tell of a folder", fd_tell(fd, &at), ISDIR);
  is("fd_allocate of a folder", fd_allocate(fd, 0, 1), ISDIR);
  is("fd_filestat_set_size of a folder", fd_filestat_set_size(fd, 1), ISDIR);
  is("path_open of a folder to write to", open_as(TMP, "folder", 0, READ | WRITE, 0, 0), -ISDIR);
  is("path_open of a folder to cut", open_as(TMP, "folder", TRUNCATE, READ, 0, 0), -ISDIR);
  is("path_open of a folder to be made", open_as(TMP, "more", CREATE | FOLDER, READ, 0, 0), -INVAL);

  is("an empty folder has two entries", count_entries(fd, 0), 2);
  is("itself", count_entries(fd, "."), 1);
  is("and the one above", count_entries(fd, ".."), 1);
  make_file(TMP, "folder/file", "text");
  is("a file in it", count_entries(fd, "file"), 1);
  is("fd_readdir into little room", fd_readdir(fd, buffer, 10, 0, &used), OK);
  is("fills it", used, 10);
  is("fd_readdir into none", fd_readdir(fd, buffer, 0, 0, &used) == OK && used == 0, 1);
  is("fd_readdir from behind the end", fd_readdir(fd, buffer, 64, 1000, &used) == OK && used == 0, 1);
  is("fd_readdir from a cookie", fd_readdir(fd, buffer, 64, 2, &used), OK);
  dirent entry;
  memcpy(&entry, buffer, sizeof entry);
  stat_of(TMP, "folder/file", 0, &other);
  is("gives what follows", entry.length == 4 && same(buffer + sizeof entry, "file", 4), 1);
  is("with its type", entry.type, TYPE_FILE);
  is("and its number", entry.ino == other.ino, 1);
  is("fd_readdir of a file", -open_folder(TMP, "folder/file"), NOTDIR);

  is("path_open below a folder that is open", open_file(fd, "file", 0) > 2, 1);
  is("path_open below a file", open_file(open_file(fd, "file", 0), "x", 0), -NOTDIR);
  is("path_remove_directory of one that holds something", remove_folder(TMP, "folder"), NOTEMPTY);
  is("path_remove_directory of a file", remove_folder(TMP, "folder/file"), NOTDIR);
  is("path_remove_directory of nothing", remove_folder(TMP, "nothing"), NOENT);
  is("path_remove_directory of where it stands", remove_folder(fd, "."), INVAL);
  is("path_unlink_file of a folder", remove_file(TMP, "folder"), ISDIR);

  is("path_rename of a folder", rename_in(TMP, "folder", "moved"), OK);
  is("what is open of it goes with it", count_entries(fd, "file"), 1);
  is("it is gone where it was", stat_of(TMP, "folder", 0, &other), NOENT);
  is("path_rename over an empty folder", rename_in(TMP, "moved", "other"), OK);
  make_folder(TMP, "moved");
  is("path_rename over one that holds something", rename_in(TMP, "moved", "other"), NOTEMPTY);
  is("path_rename of a folder over a file", rename_in(TMP, "moved", "other/file"), NOTDIR);
  is("path_rename of a file over a folder", rename_in(TMP, "other/file", "moved"), ISDIR);
  is("path_rename into itself", rename_in(TMP, "other", "other/inner"), INVAL);
  is("path_rename of nothing", rename_in(TMP, "nothing", "x"), NOENT);
  is("path_rename to itself", rename_in(TMP, "other", "other"), OK);
  is("path_rename of a file into another folder", rename_in(TMP, "other/file", "moved/file"), OK);
  is("path_rename over a file", make_file(TMP, "new", "new") == 3 && rename_in(TMP, "new", "moved/file") == OK, 1);
  is("has its bytes", stat_of(TMP, "moved/file", 0, &other) == OK && other.size == 3, 1);
  is("path_rename of a file to a name with a slash", rename_in(TMP, "moved/file", "moved/x/"), NOTDIR);
  is("path_unlink_file", remove_file(TMP, "moved/file"), OK);
  is("path_remove_directory", remove_folder(TMP, "moved"), OK);
  is("with a slash at its end", remove_folder(TMP, "other/"), OK);
  is("nothing can be made in a folder that is gone", make_folder(fd, "inner"), NOENT);
  fd_close(fd);

  make_folder(TMP, "many");
  fd = open_folder(TMP, "many");
  for (int file = 0; file < 1000; file++) {
    char *name = names[file];
    name[0] = 'f', name[1] = '0' + file / 100, name[2] = '0' + file / 10 % 10, name[3] = '0' + file % 10;
    make_file(fd, name, "");
  }
  is("a thousand entries in small pieces", count_entries(fd, 0), 1002);
  u64 cookie = 0;
  int removed = 0;
  for (;;) {
    u8 piece[200];
    if (fd_readdir(fd, piece, sizeof piece, cookie, &used) || used < sizeof entry) break;
    memcpy(&entry, piece, sizeof entry);
    cookie = entry.next;
    char name[8] = {0};
    memcpy(name, piece + sizeof entry, entry.length < 7 ? entry.length : 7);
    if (name[0] != '.') removed += remove_file(fd, name) == OK;
  }
  is("who removes while it lists misses none", removed, 1000);
  is("and leaves nothing", remove_folder(TMP, "many"), OK);
  fd_close(fd);
}
