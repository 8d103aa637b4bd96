/*
 * Preloaded into a process (LD_PRELOAD), it has the system refuse calls on files, as file systems and
 * quotas do. Each is the number of the error; what is not given is not refused:
 *
 *   FAULT_LOCK_ERRNO   of taking a lock of a part of a file
 *   FAULT_LINK_ERRNO   of making a hard link
 *   FAULT_WRITE_ERRNO  of writing to a file of FAULT_FOLDER
 *   FAULT_SYNC_ERRNO   of syncing a file of FAULT_FOLDER
 *   FAULT_OPEN_ERRNO   of making a file in FAULT_FOLDER, or opening it to write
 *   FAULT_FOLDER       absolute and without links
 *   FAULT_SWITCH       a file: as long as it is not there, nothing is refused; not given: always
 *   FAULT_ONCE         given: the first call that is refused removes that file
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static int lock_errno, link_errno, write_errno, sync_errno, open_errno;
static int is_once;
static const char *folder, *switch_path;

static int number(const char *name) {
  const char *value = getenv(name);
  return value == NULL ? 0 : atoi(value);
}

__attribute__((constructor)) static void begin(void) {
  lock_errno = number("FAULT_LOCK_ERRNO");
  link_errno = number("FAULT_LINK_ERRNO");
  write_errno = number("FAULT_WRITE_ERRNO");
  sync_errno = number("FAULT_SYNC_ERRNO");
  open_errno = number("FAULT_OPEN_ERRNO");
  folder = getenv("FAULT_FOLDER");
  switch_path = getenv("FAULT_SWITCH");
  is_once = getenv("FAULT_ONCE") != NULL;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

/* Whether a call is to fail now; then errno says why. */
static int refused(int error) {
  if (error == 0) return 0;
  if (switch_path != NULL && syscall(SYS_faccessat, AT_FDCWD, switch_path, F_OK) != 0) return 0;
  if (is_once && syscall(SYS_unlinkat, AT_FDCWD, switch_path, 0) != 0) return 0;
  errno = error;
  return 1;
}

static int is_inside(const char *path) {
  size_t length = folder == NULL ? 0 : strlen(folder);
  return length > 0 && strncmp(path, folder, length) == 0 && path[length] == '/';
}

static int is_file_inside(int descriptor) {
  char name[64], path[PATH_MAX];
  snprintf(name, sizeof name, "/proc/self/fd/%d", descriptor);
  ssize_t length = readlink(name, path, sizeof path - 1);
  if (length < 0) return 0;
  path[length] = '\0';
  return is_inside(path);
}

#define FCNTL(name)                                                                       \
  int name(int descriptor, int command, ...) {                                            \
    va_list rest;                                                                         \
    va_start(rest, command);                                                              \
    void *argument = va_arg(rest, void *);                                                \
    va_end(rest);                                                                         \
    int locks = command == F_SETLK || command == F_SETLKW;                                \
    if (locks && ((struct flock *)argument)->l_type != F_UNLCK && refused(lock_errno)) return -1; \
    return REAL(name)(descriptor, command, argument);                                     \
  }
FCNTL(fcntl)
FCNTL(fcntl64)

int link(const char *from, const char *to) {
  return refused(link_errno) ? -1 : REAL(link)(from, to);
}

#define OPEN(name)                                                                        \
  int name(const char *path, int flags, ...) {                                            \
    va_list rest;                                                                         \
    va_start(rest, flags);                                                                \
    mode_t mode = (flags & O_CREAT) ? va_arg(rest, mode_t) : 0;                           \
    va_end(rest);                                                                         \
    int writes = (flags & O_CREAT) || (flags & O_ACCMODE) != O_RDONLY;                    \
    if (writes && open_errno != 0 && is_inside(path) && refused(open_errno)) return -1;   \
    return REAL(name)(path, flags, mode);                                                 \
  }
OPEN(open)
OPEN(open64)

#define REFUSES_WRITE(descriptor) (write_errno != 0 && is_file_inside(descriptor) && refused(write_errno))

ssize_t write(int descriptor, const void *bytes, size_t length) {
  return REFUSES_WRITE(descriptor) ? -1 : REAL(write)(descriptor, bytes, length);
}

ssize_t writev(int descriptor, const struct iovec *parts, int count) {
  return REFUSES_WRITE(descriptor) ? -1 : REAL(writev)(descriptor, parts, count);
}

#define PWRITE(name, offset_type)                                                           \
  ssize_t name(int descriptor, const void *bytes, size_t length, offset_type offset) {      \
    return REFUSES_WRITE(descriptor) ? -1 : REAL(name)(descriptor, bytes, length, offset); \
  }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

#define SYNC_CALL(name)                                                                            \
  int name(int descriptor) {                                                                       \
    if (sync_errno != 0 && is_file_inside(descriptor) && refused(sync_errno)) return -1;           \
    return REAL(name)(descriptor);                                                                 \
  }
SYNC_CALL(fsync)
SYNC_CALL(fdatasync)
