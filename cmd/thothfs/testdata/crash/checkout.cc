#include <cstdlib>
#ifdef PAD
static char pad[PAD];
__attribute__((noinline)) int padded(int n) { return pad[n & 7] * n; }
#endif
struct Cart { int items; };
__attribute__((noinline)) static int add(Cart &c) { if (c.items < 9) abort(); return c.items + 1; }
int main(int argc, char **) { Cart c = {argc}; int n = add(c); return n > 0; }
