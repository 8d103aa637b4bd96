/*
 * Preloaded into a process (LD_PRELOAD), it records what the process does to the files of one folder,
 * in the order in which it happens:
 *
 *   FAULT_FOLDER  the folder, absolute and without links
 *   FAULT_RECORD  the file that the records are appended to
 *
 * A record is a head (see below), followed by `length` bytes: what was written, or a file's name. What
 * it knows is what SQLite and Node call: files are opened, written, truncated, synced and unlinked.
 * SQLite renames nothing, and maps no file that is opened EXCLUSIVE.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum kind { CREATE = 'c', WRITE = 'w', TRUNCATE = 't', SYNC = 's', UNLINK = 'u' };

/* Numbers are little-endian on every machine that runs the tests. */
struct head {
  uint32_t kind;
  uint32_t file;   /* 0 is the folder itself; the others are numbered by their opening */
  uint64_t offset; /* of a write; the new size of a truncation */
  uint64_t length; /* of what follows */
};

#define MAX_DESCRIPTORS 1024
#define MAX_FILES 256

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static const char *folder;
static int record_descriptor = -1;
/* 1 + the file's number, for each descriptor of a recorded file. */
static uint32_t file_of[MAX_DESCRIPTORS];
static ino_t inode_of[MAX_FILES];
static uint32_t file_count = 1;

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

__attribute__((constructor)) static void begin(void) {
  folder = getenv("FAULT_FOLDER");
  const char *path = getenv("FAULT_RECORD");
  if (folder == NULL || path == NULL) abort();
  record_descriptor = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (record_descriptor < 0) abort();
}

static void put(const void *bytes, size_t length) {
  for (const char *next = bytes; length > 0;) {
    long written = syscall(SYS_write, record_descriptor, next, length);
    if (written <= 0) abort();
    next += written;
    length -= (size_t)written;
  }
}

static void record(enum kind kind, uint32_t file, uint64_t offset, const void *bytes, uint64_t length) {
  struct head head = {kind, file, offset, length};
  pthread_mutex_lock(&lock);
  put(&head, sizeof head);
  put(bytes, length);
  pthread_mutex_unlock(&lock);
}

/* The name of a path within the folder, "" for the folder itself; NULL for any other. */
static const char *name_in_folder(const char *path) {
  size_t length = strlen(folder);
  if (strncmp(path, folder, length) != 0) return NULL;
  if (path[length] == '\0') return "";
  return path[length] == '/' ? path + length + 1 : NULL;
}

/* 1 + the file's number; 0 for what is not recorded. */
static uint32_t file_at(int descriptor) {
  return descriptor >= 0 && descriptor < MAX_DESCRIPTORS ? file_of[descriptor] : 0;
}

static void opened(int descriptor, const char *path) {
  const char *name = name_in_folder(path);
  if (name == NULL || descriptor < 0) return;
  if (descriptor >= MAX_DESCRIPTORS) abort();
  if (*name == '\0') {
    file_of[descriptor] = 1;
    return;
  }
  struct stat stats;
  if (fstat(descriptor, &stats) != 0) abort();
  for (uint32_t file = 1; file < file_count; file++) {
    if (inode_of[file] != stats.st_ino) continue;
    file_of[descriptor] = 1 + file;
    return;
  }
  if (file_count == MAX_FILES) abort();
  inode_of[file_count] = stats.st_ino;
  file_of[descriptor] = 1 + file_count;
  record(CREATE, file_count, 0, name, strlen(name));
  file_count++;
}

#define OPEN(name)                                                  \
  int name(const char *path, int flags, ...) {                      \
    va_list rest;                                                   \
    va_start(rest, flags);                                          \
    mode_t mode = (flags & O_CREAT) ? va_arg(rest, mode_t) : 0;     \
    va_end(rest);                                                   \
    int descriptor = REAL(name)(path, flags, mode);                 \
    opened(descriptor, path);                                       \
    return descriptor;                                              \
  }
OPEN(open)
OPEN(open64)

int close(int descriptor) {
  if (file_at(descriptor) > 0) file_of[descriptor] = 0;
  return REAL(close)(descriptor);
}

static void wrote(int descriptor, const void *bytes, int64_t offset, ssize_t length) {
  if (file_at(descriptor) > 0 && length > 0)
    record(WRITE, file_at(descriptor) - 1, (uint64_t)offset, bytes, (uint64_t)length);
}

ssize_t write(int descriptor, const void *bytes, size_t length) {
  ssize_t written = REAL(write)(descriptor, bytes, length);
  if (file_at(descriptor) > 0) wrote(descriptor, bytes, lseek(descriptor, 0, SEEK_CUR) - written, written);
  return written;
}

#define PWRITE(name, offset_type)                                                           \
  ssize_t name(int descriptor, const void *bytes, size_t length, offset_type offset) {      \
    ssize_t written = REAL(name)(descriptor, bytes, length, offset);                        \
    wrote(descriptor, bytes, offset, written);                                              \
    return written;                                                                         \
  }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

#define FTRUNCATE(name, offset_type)                                                                     \
  int name(int descriptor, offset_type size) {                                                           \
    int result = REAL(name)(descriptor, size);                                                           \
    if (result == 0 && file_at(descriptor) > 0) record(TRUNCATE, file_at(descriptor) - 1, (uint64_t)size, "", 0); \
    return result;                                                                                       \
  }
FTRUNCATE(ftruncate, off_t)
FTRUNCATE(ftruncate64, off64_t)

#define SYNC_CALL(name)                                                                       \
  int name(int descriptor) {                                                                  \
    int result = REAL(name)(descriptor);                                                      \
    if (result == 0 && file_at(descriptor) > 0) record(SYNC, file_at(descriptor) - 1, 0, "", 0); \
    return result;                                                                            \
  }
SYNC_CALL(fsync)
SYNC_CALL(fdatasync)

int unlink(const char *path) {
  struct stat stats;
  int known = stat(path, &stats) == 0;
  int result = REAL(unlink)(path);
  const char *name = name_in_folder(path);
  if (result != 0 || name == NULL) return result;
  record(UNLINK, 0, 0, name, strlen(name));
  /* The number of an inode is given again to the next file. */
  for (uint32_t file = 1; known && file < file_count; file++)
    if (inode_of[file] == stats.st_ino) inode_of[file] = 0;
  return result;
}
