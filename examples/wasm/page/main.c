/* A command of WASI with a C library: fills in page.html, which lies beside it, with what the request says, by way of a
   file in /tmp. Needs Debian's wasi-libc and libclang-rt-dev-wasm32:
   clang --target=wasm32-wasi -Oz -s main.c -o main.wasm */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void escaped(const char *text, FILE *to) {
  for (; *text; text++) {
    if (strchr("<>&\"", *text)) fprintf(to, "&#%d;", *text);
    else fputc(*text, to);
  }
}

int main(int count, char **words) {
  FILE *page = fopen("/page.html", "r");
  FILE *filled = fopen("/tmp/filled.html", "w+");
  if (!page || !filled) {
    perror("Cannot open the page");
    return 1;
  }
  const char *query = getenv("QUERY_STRING");
  char line[1024];
  while (fgets(line, sizeof line, page)) {
    char *mark = strstr(line, "{{name}}");
    if (mark) *mark = 0;
    fputs(line, filled);
    if (!mark) continue;
    escaped(query && *query ? query : count > 1 ? words[1] : "nobody", filled);
    fputs(mark + strlen("{{name}}"), filled);
  }
  printf("Content-Type: text/html; charset=utf-8\n\n");
  rewind(filled);
  while (fgets(line, sizeof line, filled)) fputs(line, stdout);
  return 0;
}
