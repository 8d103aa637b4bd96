/*
 * Preloaded into a process (LD_PRELOAD), it makes every sync of a file take longer, as on a slow disk:
 *
 *   FAULT_SYNC_DELAY_US  microseconds that are added to each
 *   FAULT_SYNC_HELD      a path: while there is a file, each sync waits, and makes the file `PATH.waits`.
 *                        It goes on when there is a file `PATH.pass`, and removes both.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static useconds_t delay;
static const char *held;
static char waits[PATH_MAX];
static char pass[PATH_MAX];

__attribute__((constructor)) static void begin(void) {
  const char *given = getenv("FAULT_SYNC_DELAY_US");
  if (given != NULL) delay = (useconds_t)atoi(given);
  held = getenv("FAULT_SYNC_HELD");
  if (given == NULL && held == NULL) abort();
  if (held == NULL) return;
  if (snprintf(waits, sizeof waits, "%s.waits", held) >= (int)sizeof waits) abort();
  if (snprintf(pass, sizeof pass, "%s.pass", held) >= (int)sizeof pass) abort();
}

static void hold(void) {
  usleep(delay);
  if (held == NULL || access(held, F_OK) != 0) return;
  close(open(waits, O_CREAT | O_WRONLY, 0600));
  while (access(held, F_OK) == 0) {
    if (access(pass, F_OK) == 0) {
      unlink(waits);
      unlink(pass);
      return;
    }
    usleep(1000);
  }
  unlink(waits);
}

#define SYNC_CALL(name)                                             \
  int name(int descriptor) {                                        \
    hold();                                                         \
    return ((__typeof__(&name))dlsym(RTLD_NEXT, #name))(descriptor); \
  }
SYNC_CALL(fsync)
SYNC_CALL(fdatasync)
