/* Symbolic links and further names. */
#include "suite.h"

void _start(void) {
  begin();
  filestat stat, other;
  char text[64];
  u32 used, fd;
  make_file(TMP, "file", "text");
  make_folder(TMP, "folder");
  make_file(TMP, "folder/inner", "inner");
  is("path_symlink", make_link("file", TMP, "link"), OK);
  is("over what is there", make_link("file", TMP, "link"), EXIST);
  is("over a folder, with a slash", make_link("file", TMP, "folder/"), EXIST);
  is("to a name with a slash", make_link("file", TMP, "new/"), NOENT);
  is("to a root", make_link("/etc/passwd", TMP, "out"), NOTCAPABLE);
  is("to nothing at all", make_link("", TMP, "out"), NOENT);
  is("path_readlink", path_readlink(TMP, P("link"), text, 64, &used), OK);
  is("gives where it leads", used == 4 && same(text, "file", 4), 1);
  is("path_readlink into little room", path_readlink(TMP, P("link"), text, 2, &used) == OK && used == 2, 1);
  is("path_readlink of a file", path_readlink(TMP, P("file"), text, 64, &used), INVAL);
  is("path_readlink of nothing", path_readlink(TMP, P("nothing"), text, 64, &used), NOENT);
  is("path_filestat_get of a link", stat_of(TMP, "link", 0, &stat) == OK && stat.type == TYPE_LINK && stat.size == 4, 1);
  is("path_filestat_get through it", stat_of(TMP, "link", FOLLOW, &stat) == OK && stat.type == TYPE_FILE, 1);
  is("path_open of a link", open_file(TMP, "link", 0), -LOOP);
  is("path_open through it", path_open(TMP, FOLLOW, P("link"), 0, READ, 0, 0, &fd), OK);
  is("gives the file", get(fd, text, 64) == 4 && same(text, "text", 4), 1);

  make_link("folder", TMP, "way");
  is("a link on the way", stat_of(TMP, "way/inner", 0, &stat) == OK && stat.size == 5, 1);
  is("a link with a slash is what it leads to", stat_of(TMP, "way/", 0, &stat) == OK && stat.type == TYPE_FOLDER, 1);
  is("path_open of a link as a folder", open_as(TMP, "way", FOLDER, 0, 0, 0), -NOTDIR);
  is("path_open through it", path_open(TMP, FOLLOW, P("way"), FOLDER, 0, 0, 0, &fd), OK);
  is("path_open of a file through a link, as a folder", path_open(TMP, FOLLOW, P("link"), FOLDER, 0, 0, 0, &fd), NOTDIR);
  make_link("../file", TMP, "folder/up");
  is("a link that leads up", path_open(TMP, FOLLOW, P("way/up"), 0, READ, 0, 0, &fd), OK);
  make_link("way/up", TMP, "chain");
  is("links through links", path_open(TMP, FOLLOW, P("chain"), 0, READ, 0, 0, &fd), OK);

  make_link("nothing", TMP, "dangling");
  is("path_open of a link to nothing", path_open(TMP, FOLLOW, P("dangling"), 0, READ, 0, 0, &fd), NOENT);
  is("creates what it leads to", path_open(TMP, FOLLOW, P("dangling"), CREATE, READ, 0, 0, &fd), OK);
  is("there", stat_of(TMP, "nothing", 0, &stat) == OK && stat.type == TYPE_FILE, 1);
  is("but not as a new one", path_open(TMP, FOLLOW, P("dangling"), CREATE | EXCLUSIVE, READ, 0, 0, &fd), EXIST);
  make_link("loop", TMP, "loop");
  is("a link to itself", path_open(TMP, FOLLOW, P("loop"), 0, READ, 0, 0, &fd), LOOP);
  is("on the way", stat_of(TMP, "loop/file", 0, &stat), LOOP);
  is("path_unlink_file of it", remove_file(TMP, "loop"), OK);
  make_link("b", TMP, "a");
  make_link("a", TMP, "b");
  is("two links to each other", stat_of(TMP, "a", FOLLOW, &stat), LOOP);
  is("path_unlink_file takes the link", remove_file(TMP, "link") == OK && stat_of(TMP, "file", 0, &stat) == OK, 1);
  is("path_remove_directory of a link", remove_folder(TMP, "way"), NOTDIR);
  is("path_rename of a link", rename_in(TMP, "way", "path") == OK && stat_of(TMP, "path", 0, &stat) == OK && stat.type == TYPE_LINK, 1);

  is("path_link", path_link(TMP, 0, P("file"), TMP, P("folder/same")), OK);
  stat_of(TMP, "file", 0, &stat);
  stat_of(TMP, "folder/same", 0, &other);
  is("is the same file", stat.ino == other.ino && stat.dev == other.dev, 1);
  is("with two names", stat.links, 2);
  is("path_link over what is there", path_link(TMP, 0, P("file"), TMP, P("nothing")), EXIST);
  is("path_link of a folder", path_link(TMP, 0, P("folder"), TMP, P("x")), PERM);
  is("path_link to a name with a slash", path_link(TMP, 0, P("file"), TMP, P("x/")), NOENT);
  is("path_link of nothing", path_link(TMP, 0, P("missing"), TMP, P("x")), NOENT);
  is("path_link that follows", path_link(TMP, FOLLOW, P("dangling"), TMP, P("x")), INVAL);
  is("path_link of a link", path_link(TMP, 0, P("path"), TMP, P("second")) == OK && stat_of(TMP, "second", 0, &other) == OK && other.type == TYPE_LINK, 1);
  is("path_rename between names of one file", rename_in(TMP, "file", "folder/same"), OK);
  is("leaves both", stat_of(TMP, "file", 0, &stat) == OK && stat.links == 2, 1);
  remove_file(TMP, "file");
  is("the other name stays", stat_of(TMP, "folder/same", 0, &stat) == OK && stat.links == 1 && stat.size == 4, 1);
}
