#ifndef QM_FILE_H
#define QM_FILE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "buf.h"
#include "fail.h"

/* Whole files and sealed memory files. Descriptors are always close-on-exec. */

/* Reads fd from its start to its end into out (appended). More than max octets is a failure. Uses
 * pread where the file allows it, so a shared offset does not matter. */
int file_read_fd(int fd, size_t max, struct buf *out, struct fail *f);
int file_read(int dirfd, const char *path, size_t max, struct buf *out, struct fail *f);

/* Replaces dirfd/name by these octets: written to a temporary name beside it, synced, renamed,
 * folder synced. mode as for open(2). On failure the old file is as it was. */
int file_replace(int dirfd, const char *name, mode_t mode, struct span content, struct fail *f);

int file_write_all(int fd, const void *p, size_t n); /* 0, or -1 with errno */
/* One after the other, in one call where the file takes all. */
int file_write_both(int fd, struct span a, struct span b);

/* A memory file that holds these octets and can never change again. Returns the descriptor. */
int file_sealed(const char *name, struct span content, struct fail *f);
/* An empty, writable memory file, to be filled and then sealed with file_seal. */
int file_memory(const char *name, struct fail *f);
int file_seal(int fd, struct fail *f);
/* Whether a descriptor that a peer passed is a memory file which nobody can change or shorten, and
 * how long it is. Anything else is a failure: mapping it could be made to fault under us. */
int file_check_sealed(int fd, uint64_t max, uint64_t *size, struct fail *f);

/* mkdir -p below dirfd, mode for each folder made, whose name is durable when this returns 0. A
 * crash in between leaves a name of which the next call does not know whether it is. */
int file_make_path(int dirfd, const char *path, mode_t mode, struct fail *f);

void file_close(int *fd); /* closes *fd unless it is -1, and sets it to -1 */

#endif
