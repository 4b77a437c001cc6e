#ifndef QM_STORE_H
#define QM_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "fail.h"

/* LMDB, as the queue uses it: one environment opened by one process, named tables, no duplicate
 * keys, and transactions that remember their first error, so that a row of puts is checked once, at
 * the commit. */

struct store;

/* Opens the environment in folder path (which exists) with these tables, making what is missing.
 * map_size bounds the file; it is address space, not disk. Returns NULL with a sentence. What a
 * power cut leaves of a store that was being made is made anew by the next call; once this has
 * returned, the data file's name is durable in its folder (the folder's own is the caller's). */
struct store *store_open(const char *path, const char *const *tables, unsigned tables_n,
                         uint64_t map_size, struct fail *f);
void store_close(struct store **s);

struct store_space {
    uint64_t file_bytes; /* size of the data file */
    uint64_t free_bytes; /* in it, in pages that no row uses */
};
/* Whether LMDB has given up on the environment after a failed write: only opening it anew, in
 * another process, helps. */
bool store_is_dead(struct store *s);
/* Octets of the data file that have been used so far, and of the map that it can grow to. Cheap. */
uint64_t store_used(struct store *s, uint64_t *map_bytes);
int store_space(struct store *s, struct store_space *space, struct fail *f);
uint64_t store_rows(struct store *s, unsigned table); /* how many rows a table has; 0 on failure */
/* Pages that the last transaction freed can be used by the next but one only. Where the next one
 * fails for want of room, there never is a next but one: this makes an empty one. */
void store_advance(struct store *s);
/* Frees the places of readers that died. Call it now and then. */
void store_reap_readers(struct store *s);

/* One write transaction at a time, from one thread; any number of read transactions. A read
 * transaction pins old pages: never keep one across a turn of the event loop. */
struct store_txn;
struct store_txn *store_begin(struct store *s, bool write); /* never NULL; failure sticks */
/* 0, or -1 with what went wrong first. Either way the transaction is over. For a read transaction
 * there is nothing to commit: it tells whether all reads went well. */
int store_commit(struct store_txn **t, struct fail *f);
void store_abort(struct store_txn **t);
bool store_failed(const struct store_txn *t);
/* Whether so many octets more can be written in this transaction and enough is left of the map and
 * of the disk to remove rows afterwards: a map or a disk that is full to the last page takes not
 * even a removal. On the disk that part is claimed beforehand, so that nobody else fills it (not on
 * a file system that has no fallocate(2)). For what can be refused; what must be written is written
 * as long as it can be. */
bool store_has_room(const struct store_txn *t, uint64_t octets);
/* Makes the transaction fail with this sentence, as if the store had. */
void store_fail(struct store_txn *t, const char *why);
/* Whether the failure means that there is no room: LMDB reports a full disk as an I/O error. */
bool store_is_full(const struct store_txn *t);

/* True and value (valid until the next write in this transaction, or its end) when the key is
 * there. */
bool store_get(struct store_txn *t, unsigned table, struct span key, struct span *value);
/* How many rows the table has in this transaction; 0 on failure. Costs next to nothing. */
uint64_t store_count(struct store_txn *t, unsigned table);
void store_put(struct store_txn *t, unsigned table, struct span key, struct span value);
/* As store_put, for a key known to be the table's greatest: pages fill up completely. */
void store_append(struct store_txn *t, unsigned table, struct span key, struct span value);
/* Appends a row of n octets and returns where they go, NULL on failure. To be filled before
 * anything else is done with the transaction. */
unsigned char *store_append_room(struct store_txn *t, unsigned table, struct span key, size_t n);
bool store_delete(struct store_txn *t, unsigned table, struct span key); /* whether it was there */

/* A place in a table. Closed before its transaction ends. */
struct store_cursor {
    void *cursor;
    struct store_txn *txn;
    struct span key, value; /* of the row it is at; valid until the next write or move */
};
struct store_cursor store_cursor(struct store_txn *t, unsigned table);
bool store_seek(struct store_cursor *c,
                struct span key); /* the first row with a key not below this one */
bool store_next(struct store_cursor *c);
bool store_prev(struct store_cursor *c);
bool store_last(struct store_cursor *c);
/* Removes the row the cursor is at and moves to the one after it. */
bool store_delete_here(struct store_cursor *c);
void store_cursor_close(struct store_cursor *c);

#endif
