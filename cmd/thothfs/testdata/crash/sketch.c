int shape_total(const int *);
__attribute__((noinline)) static int render(const int *s) { return shape_total(s) + 1; }
int main(int argc, char **argv) { int n = render(argc > 9 ? &argc : 0); return n > 0; }
