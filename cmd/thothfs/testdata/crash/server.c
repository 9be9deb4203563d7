// A program with several bugs, by its first argument.
#include <assert.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOINLINE __attribute__((noinline, noclone))

#ifdef PAD // moves everything
static char pad[PAD];
NOINLINE int padded(int n) { return pad[n & 7] * n; }
#endif

struct request { int kind; char *name; int (*handle)(int); struct request *next; };
static volatile int sink;

// The same function crashes for two callers.
NOINLINE int parse(const struct request *r) { return r->kind + 1; }
NOINLINE int handle_get(const struct request *r) { return parse(r) * 2; }
NOINLINE int handle_put(const struct request *r) { return parse(r) * 3; }

// The C library crashes for two callers.
NOINLINE int name_length(const struct request *r) { return strlen(r->name) + 1; }
NOINLINE int label_length(const struct request *r) { return strlen(r->name) + 2; }
NOINLINE int greet(const struct request *r) { return name_length(r) * 2; }
NOINLINE int draw(const struct request *r) { return label_length(r) * 2; }

// An assertion fails for two callers.
NOINLINE int check(const struct request *r) { assert(r->name != NULL); return r->kind; }
NOINLINE int load(const struct request *r) { return check(r) + 1; }
NOINLINE int store(const struct request *r) { return check(r) + 2; }
// Here it is abort(3) where there the assertion is.
NOINLINE int refuse(const struct request *r) { if (r->name == NULL) abort(); return r->kind; }
NOINLINE int reload(const struct request *r) { return refuse(r) + 1; }

// Recursion that does not end: alone, and of two functions.
NOINLINE int descend(int n) { volatile char frame[512]; frame[n & 511] = n; return descend(n + 1) + frame[n & 511]; }
NOINLINE int pong(int n);
NOINLINE int ping(int n) { volatile char frame[300]; frame[n % 300] = n; return pong(n + 1) + frame[n % 300]; }
NOINLINE int pong(int n) { volatile char frame[900]; frame[n % 900] = n; return ping(n + 1) + frame[n % 900]; }
// Recursion that does, and a bug at its end.
NOINLINE int walk(const struct request *r, int n) { if (n == 0) return parse(r); return walk(r, n - 1) + 1; }

NOINLINE void release(struct request *r) { free(r->name); free(r->name); sink++; }
NOINLINE void close_all(struct request *r) { release(r); sink++; }

NOINLINE int ratio(int a, int b) { return a / b + 1; }
NOINLINE int statistics(int n) { return ratio(n, sink) + 1; }

// What hangs, and is ended from within or from without.
NOINLINE void wait_for(int n) { for (;;) { if (n == 0) pause(); sink++; } }
NOINLINE void collect(int n) { wait_for(n); sink++; }
NOINLINE void drain(int n) { wait_for(n); sink++; }
static void expired(int sig) { abort(); }
// A timer's handler that is at fault itself, whatever it interrupted.
NOINLINE int tick(const struct request *r) { return parse(r) + 5; }
static void on_tick(int sig) { sink = tick(NULL); }
static void reporting(int sig) { abort(); }

NOINLINE int dispatch(struct request *r) { return r->handle(3) + 1; }
NOINLINE int serve(struct request *r) { return dispatch(r) + 1; }

NOINLINE int pick(int n) { if (n < 5) __builtin_trap(); return n; }
NOINLINE int choose(int n) { return pick(n) + 1; }

static void *worker(void *r) { sink = handle_get(r); return r; }

NOINLINE void quit_later(void) { pid_t us = getpid(); if (fork() == 0) { usleep(100000); kill(us, SIGQUIT); _exit(0); } }

int main(int argc, char **argv) {
	struct request empty = {0}, *none = argc > 9 ? &empty : NULL;
	pthread_t t;
	int depth = argc > 2 ? atoi(argv[2]) : 0;
	const char *bug = argv[1];
#define IS(name) (strcmp(bug, name) == 0)
	if (IS("get")) sink = handle_get(none);
	if (IS("get-reported")) { signal(SIGSEGV, reporting); sink = handle_get(none); }
	if (IS("get-info")) { struct sigaction a = {0}; a.sa_handler = reporting; a.sa_flags = SA_SIGINFO; sigaction(SIGSEGV, &a, 0); sink = handle_get(none); }
	if (IS("put")) sink = handle_put(none);
	if (IS("thread")) { pthread_create(&t, 0, worker, none); pthread_join(t, 0); }
	if (IS("greet")) sink = greet(&empty);
	if (IS("draw")) sink = draw(&empty);
	if (IS("load")) sink = load(&empty);
	if (IS("store")) sink = store(&empty);
	if (IS("reload")) sink = reload(&empty);
	if (IS("descend")) { volatile char used[100000]; used[depth * 9000] = 1; sink = descend(depth); }
	if (IS("ping")) { volatile char used[100000]; used[depth * 9000] = 1; sink = depth & 1 ? ping(depth) : pong(depth); }
	if (IS("walk")) sink = walk(none, 20 + 30 * depth);
	if (IS("release")) { empty.name = malloc(30); close_all(&empty); }
	if (IS("ratio")) sink = statistics(argc);
	if (IS("collect")) { signal(SIGALRM, expired); alarm(1); collect(1); }
	if (IS("drain")) { quit_later(); drain(0); }
	if (IS("tick")) { signal(SIGALRM, on_tick); alarm(1); if (depth & 1) collect(1); else drain(1); }
	if (IS("dispatch")) sink = serve(&empty);
	if (IS("pick")) sink = choose(argc);
	return sink;
}
