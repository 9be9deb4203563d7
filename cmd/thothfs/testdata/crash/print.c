int shape_total(const int *);
__attribute__((noinline)) static int page(const int *s) { return shape_total(s) + 3; }
__attribute__((noinline)) static int job(const int *s) { return page(s) * 2; }
int main(int argc, char **argv) { int n = job(argc > 9 ? &argc : 0); return n > 0; }
