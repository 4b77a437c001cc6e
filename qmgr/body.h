#ifndef QM_BODY_H
#define QM_BODY_H

#include <stdint.h>

#include "buf.h"
#include "fail.h"
#include "rows.h"
#include "store.h"

/* Where messages' octets are kept. Up to the large-body setting they are rows of the body table,
 * cut in chunks that fill exactly one page each, so that free pages always fit the next message.
 * Larger ones are files in bodies/00 .. bodies/3f, synced with their folder before the commit that
 * names them and unlinked after the commit that forgets them; a file that no row names is left over
 * from a crash in between, and swept at start. */

#define BODY_CHUNK 4080
#define BODY_FOLDERS 64

/* Chunks: within a transaction. fd is a sealed memory file of size octets. */
void body_put_chunks(struct store_txn *t, uint64_t id, int fd, uint64_t size);
void body_put_octets(struct store_txn *t, uint64_t id, struct span octets);
void body_delete_chunks(struct store_txn *t, uint64_t id, uint64_t size);

/* Files. token names the file. */
int body_make_folders(int dirfd, struct fail *f);
int body_put_file(int dirfd, uint64_t token, int fd, uint64_t size, struct fail *f);
bool body_delete_file(int dirfd, uint64_t token); /* whether it was there */
/* Those that are there, in no order; *tokens is the caller's to free. -1 with a sentence, and
 * nothing to free, when a folder cannot be read. Other files are passed over. */
int body_list(int dirfd, uint64_t **tokens, size_t *n, struct fail *f);

/* A new sealed memory file with the whole message, or -1. May wait for the disk. */
int body_load(struct store_txn *t, int dirfd, uint64_t id, const struct msg_row *row,
              struct fail *f);
/* Appends the first octets, at most max. 0 or -1. */
int body_head(struct store_txn *t, int dirfd, uint64_t id, const struct msg_row *row, size_t max,
              struct buf *out, struct fail *f);

#endif
