#include <stddef.h>
#ifdef PAD
static char pad[PAD];
__attribute__((noinline)) int padded(int n) { return pad[n & 7] * n; }
#endif
__attribute__((noinline)) static long add(long *sums, int n) { return sums[n] + 1; }
int main(int argc, char **argv) { long sum = add(argc > 9 ? (long *) argv : NULL, argc); return sum > 0; }
