/* Times of files, and their numbers. */
#include "suite.h"

void _start(void) {
  begin();
  filestat stat, other;
  u64 now;
  clock_time_get(0, 1, &now);
  int fd = open_file(TMP, "file", CREATE);
  fd_filestat_get(fd, &stat);
  is("a new file is of now", stat.modified >= now - 1000000000 && stat.modified <= now + 1000000000, 1);
  is("fd_filestat_set_times", fd_filestat_set_times(fd, 1000, 2000, 1 | 4), OK);
  fd_filestat_get(fd, &stat);
  is("sets when it was read", stat.accessed, 1000);
  is("and changed", stat.modified, 2000);
  is("only what was asked for", fd_filestat_set_times(fd, 5000, 6000, 1), OK);
  fd_filestat_get(fd, &stat);
  is("is set", stat.accessed == 5000 && stat.modified == 2000, 1);
  is("to now", fd_filestat_set_times(fd, 0, 0, 2 | 8), OK);
  fd_filestat_get(fd, &stat);
  is("is now", stat.accessed >= now - 1000000 && stat.modified >= now - 1000000, 1);
  is("both at once", fd_filestat_set_times(fd, 1, 1, 1 | 2), INVAL);
  is("both of the other", fd_filestat_set_times(fd, 1, 1, 4 | 8), INVAL);
  is("what there is not", fd_filestat_set_times(fd, 1, 1, 16), INVAL);
  is("path_filestat_set_times", path_filestat_set_times(TMP, 0, P("file"), 0, 3000, 4), OK);
  stat_of(TMP, "file", 0, &stat);
  is("is set", stat.modified, 3000);
  is("path_filestat_set_times of both", path_filestat_set_times(TMP, 0, P("file"), 0, 3000, 4 | 8), INVAL);
  make_link("file", TMP, "link");
  is("of a link", path_filestat_set_times(TMP, 0, P("link"), 0, 4000, 4), OK);
  stat_of(TMP, "link", 0, &stat);
  stat_of(TMP, "file", 0, &other);
  is("is the link's", stat.modified == 4000 && other.modified == 3000, 1);
  is("through a link", path_filestat_set_times(TMP, FOLLOW, P("link"), 0, 5000, 4), OK);
  stat_of(TMP, "file", 0, &other);
  is("is the file's", other.modified, 5000);
  is("path_filestat_set_times of nothing", path_filestat_set_times(TMP, 0, P("nothing"), 0, 1, 4), NOENT);
  put(fd, "x");
  fd_filestat_get(fd, &other);
  is("writing sets the time", other.modified >= now - 1000000, 1);
  stat_of(TMP, "link", 0, &stat);
  is("numbers differ", stat.ino != other.ino, 1);
  is("devices do not", stat.dev, other.dev);
  stat_of(TMP, ".", 0, &stat);
  is("a folder that changes has a new time", stat.modified >= now - 1000000, 1);
}
