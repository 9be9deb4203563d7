// A library with a bug, which two programs use.
#define NOINLINE __attribute__((noinline))
NOINLINE int shape_area(const int *sides) { return sides[0] * sides[1]; }
NOINLINE int shape_total(const int *sides) { return shape_area(sides) + 1; }
