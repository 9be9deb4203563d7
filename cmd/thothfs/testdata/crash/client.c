// Another program, whose functions happen to be called as some of server.c.
#include <stdlib.h>
#define NOINLINE __attribute__((noinline, noclone))
#ifdef PAD
static char pad[PAD];
NOINLINE int padded(int n) { return pad[n & 7] * n; }
#endif
static volatile int sink;
NOINLINE int parse(const int *words) { return words[2] + 1; }
NOINLINE int handle_get(const int *words) { return parse(words) * 2; }
int main(int argc, char **argv) { sink = handle_get(argc > 9 ? &argc : NULL); return sink; }
