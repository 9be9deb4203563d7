/* checkout: fails an assertion three calls deep. */
#include <assert.h>
#include <stdlib.h>

struct cart {
	int items;
	int cents;
};

static void
apply_discount(struct cart *c, int percent)
{
	c->cents -= c->cents * percent / 100;
	assert(c->cents >= 0);
}

static void
price(struct cart *c, int percent)
{
	apply_discount(c, percent);
}

int
main(int argc, char **argv)
{
	struct cart c = { 3, 4200 };

	price(&c, argc > 1 ? atoi(argv[1]) : 150);
	return (0);
}
