/*
 * Preloaded into a process (LD_PRELOAD), it makes every sync of a file take longer, as on a slow disk:
 *
 *   FAULT_SYNC_DELAY_US  microseconds that are added to each
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>

static useconds_t delay;

__attribute__((constructor)) static void begin(void) {
  const char *given = getenv("FAULT_SYNC_DELAY_US");
  if (given == NULL) abort();
  delay = (useconds_t)atoi(given);
}

#define SYNC_CALL(name)                                             \
  int name(int descriptor) {                                        \
    usleep(delay);                                                  \
    return ((__typeof__(&name))dlsym(RTLD_NEXT, #name))(descriptor); \
  }
SYNC_CALL(fsync)
SYNC_CALL(fdatasync)
