/* Paths that are odd, and paths that try to get out. The root holds `hello.txt`, `deep/er/file.txt`, and the link `deep/link`. */
#include "suite.h"

static char long_path[6000];

void _start(void) {
  begin();
  filestat stat;
  u32 fd;
  make_folder(TMP, "dir");
  make_folder(TMP, "dir/nested");
  make_file(TMP, "dir/nested/file", "text");
  is("dots and slashes on the way", stat_of(TMP, "dir/.//nested/../../dir/nested/../nested///./file", 0, &stat), OK);
  is("the folder itself", stat_of(TMP, ".", 0, &stat) == OK && stat.type == TYPE_FOLDER, 1);
  is("and by way of another", stat_of(TMP, "dir/..", 0, &stat), OK);
  is("slashes behind a folder", stat_of(TMP, "dir/nested///", 0, &stat), OK);
  is("a slash behind a file", stat_of(TMP, "dir/nested/file/", 0, &stat), NOTDIR);
  is("path_open with a slash behind a file", open_file(TMP, "dir/nested/file/", 0), -NOTDIR);
  is("path_open of a new file with a slash", open_file(TMP, "dir/new/", CREATE), -ISDIR);
  is("path_unlink_file with a slash behind a file", remove_file(TMP, "dir/nested/file/"), NOTDIR);
  is("a file on the way", stat_of(TMP, "dir/nested/file/more", 0, &stat), NOTDIR);
  is("nothing on the way", stat_of(TMP, "dir/nothing/file", 0, &stat), NOENT);
  is("no path", path_filestat_get(TMP, 0, "", 0, &stat), NOENT);
  is("a zero byte", path_filestat_get(TMP, 0, "dir\0x", 5, &stat), INVAL);
  is("no UTF-8", path_filestat_get(TMP, 0, "\xff\xfe", 2, &stat), ILSEQ);
  is("a name with everything else", make_file(TMP, " \\*?\n\xc3\xa4\xf0\x9f\x8e\x88", "x"), 1);
  memset(long_path, 'a', 5999);
  is("a path that is too long", path_filestat_get(TMP, 0, long_path, 5000, &stat), NAMETOOLONG);
  is("a name that is too long", path_filestat_get(TMP, 0, long_path, 256, &stat), NAMETOOLONG);
  is("a long name", path_create_directory(TMP, long_path, 255), OK);
  for (u32 at = 0; at < 4000; at += 2) long_path[at] = '.', long_path[at + 1] = '/';
  is("a path of dots", path_filestat_get(TMP, 0, long_path, 4000, &stat), OK);

  is("an absolute path", stat_of(TMP, "/tmp/dir", 0, &stat), NOTCAPABLE);
  is("up", stat_of(TMP, "..", 0, &stat), NOTCAPABLE);
  is("up and down again", stat_of(TMP, "../tmp/dir", 0, &stat), NOTCAPABLE);
  is("up from within", stat_of(TMP, "dir/nested/../../../hello.txt", 0, &stat), NOTCAPABLE);
  is("up by path_open", open_file(TMP, "../hello.txt", 0), -NOTCAPABLE);
  is("up by path_create_directory", make_folder(TMP, "../evil"), NOTCAPABLE);
  is("up by path_rename", rename_in(TMP, "dir", "../evil"), NOTCAPABLE);
  is("up by path_link", path_link(TMP, 0, P("dir/nested/file"), TMP, P("../evil")), NOTCAPABLE);
  is("up by path_unlink_file", remove_file(TMP, "../hello.txt"), NOTCAPABLE);
  make_link("../hello.txt", TMP, "escape");
  is("a link that leads out", path_open(TMP, FOLLOW, P("escape"), 0, READ, 0, 0, &fd), NOTCAPABLE);
  make_link("..", TMP, "dir/up");
  is("a link that leads up within", stat_of(TMP, "dir/up/dir", 0, &stat), OK);
  is("and further", stat_of(TMP, "dir/up/../hello.txt", 0, &stat), NOTCAPABLE);
  fd = open_folder(TMP, "dir/nested");
  is("from a folder that is open", stat_of(fd, "../nested/file", 0, &stat), NOTCAPABLE);
  is("by a link in it", make_link("../../escape", fd, "out") == OK && stat_of(fd, "out", FOLLOW, &stat) == NOTCAPABLE, 1);

  is("the function's files", stat_of(ROOT, "hello.txt", 0, &stat) == OK && stat.size == 6, 1);
  is("in folders", stat_of(ROOT, "deep/er/file.txt", 0, &stat), OK);
  is("a link among them", stat_of(ROOT, "deep/link", 0, &stat) == OK && stat.type == TYPE_LINK, 1);
  is("followed", stat_of(ROOT, "deep/link", FOLLOW, &stat) == OK && stat.type == TYPE_FILE, 1);
  is("nothing above the root", stat_of(ROOT, "../etc/passwd", 0, &stat), NOTCAPABLE);
  is("nothing of the machine", stat_of(ROOT, "etc/passwd", 0, &stat), NOENT);
  is("not even the module", stat_of(ROOT, "main.wasm", 0, &stat), NOENT);
  is("/tmp is among them", stat_of(ROOT, "tmp/dir/nested/file", 0, &stat), OK);
  is("and can be written to from there", make_file(ROOT, "tmp/more", "x"), 1);
}
