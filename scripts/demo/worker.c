/* worker: a pool of threads, one of which follows a pointer that nobody set. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct job {
	const char *name;
	struct job *next;
};

static struct job *queue; /* never filled: the bug */
static pthread_barrier_t started;

static size_t
run_job(struct job *j)
{
	return (strlen(j->next->name));
}

static void *
worker(void *arg)
{
	long id = (long)arg;

	pthread_barrier_wait(&started);
	if (id == 2)
		printf("%zu\n", run_job(queue));
	for (;;)
		pause();
	return (NULL);
}

int
main(int argc, char **argv)
{
	long i, n = argc > 1 ? atol(argv[1]) : 4;
	size_t heap = (argc > 2 ? (size_t)atol(argv[2]) : 16) << 20;
	size_t step = argc > 3 ? (size_t)atol(argv[3]) : 8; /* larger than a page: a sparse heap */
	pthread_t t;
	char *p = malloc(heap);

	/* Something to make the dump large: incompressible pages that a backtrace does not need. */
	for (size_t k = 0; k + 8 <= heap; k += step) {
		unsigned long v = k * 0x9e3779b97f4a7c15UL + 1;
		memcpy(p + k, &v, 8);
	}
	pthread_barrier_init(&started, NULL, n + 1);
	for (i = 0; i < n; i++)
		pthread_create(&t, NULL, worker, (void *)i);
	pthread_barrier_wait(&started);
	pause();
	return (p[0]);
}
