// C++: exceptions, templates, methods, and what is inlined in one build and not in another.
#include <stdexcept>
#include <string>
#include <vector>
#define NOINLINE __attribute__((noinline))
#ifdef PAD
static char pad[PAD];
NOINLINE int padded(int n) { return pad[n & 7] * n; }
#endif
static volatile int sink;
namespace shop {
struct Item { int price; };
template <class T> struct Shelf {
	std::vector<T> items;
	NOINLINE const T &at(int i) const { return items.at(i); }
	int price(int i) const { return at(i).price + 1; } // inlined
};
struct Till {
	Shelf<Item> shelf;
	NOINLINE int sell(int i) { return shelf.price(i) * 2; }
	NOINLINE int refund(int i) { if (i > 1) throw std::runtime_error("no refund"); return i; }
	NOINLINE int undo(int i) { return refund(i) + 1; }
};
} // namespace shop
namespace {
NOINLINE int peek(const shop::Item *i) { return i->price + 1; }
NOINLINE int operator+(const shop::Till &, const shop::Item *i) { return peek(i) + 1; }
}
int main(int argc, char **argv) {
	shop::Till till;
	switch (argv[1][0]) {
	case 's': sink = till.sell(argc); break;
	case 'u': sink = till.undo(argc); break;
	case 'p': sink = till + (argc > 9 ? &till.shelf.items[0] : nullptr); break;
	}
	return sink;
}
