#include "fromid.h"

#include <assert.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base64.h"
#include "mem.h"
#include "rand.h"
#include "rows.h"
#include "tables.h"
#include "wire.h"

#define OCTETS 16
#define MAC_OCTETS 8

int fromid_init(struct fail *f)
{
    unsigned char whole[EVP_MAX_MD_SIZE];
    const unsigned char *made =
        HMAC(EVP_sha256(), "", 0, (const unsigned char *)"", 0, whole, NULL);
    return made != NULL ? 0 : fail_set(f, "cannot start OpenSSL");
}

/* HMAC-SHA256 over id u64 | account (text) | address (text). */
static void mac(const struct ledger *l, uint64_t id, const char *account, const char *address,
                unsigned char out[MAC_OCTETS])
{
    unsigned char whole[EVP_MAX_MD_SIZE];
    struct buf b = {0};
    wire_put_u64(&b, id);
    wire_put_text(&b, account);
    wire_put_text(&b, address);
    const unsigned char *made =
        HMAC(EVP_sha256(), l->fromid_key, sizeof l->fromid_key, buf_span(&b).p, b.n, whole, NULL);
    assert(made != NULL);
    memcpy(out, whole, MAC_OCTETS);
    buf_free(&b);
}

void fromid_make(const struct ledger *l, uint64_t id, const char *account, const char *address,
                 char out[FROMID_SIZE])
{
    struct buf octets = {0}, text = {0};
    unsigned char proof[MAC_OCTETS];
    mac(l, id, account, address, proof);
    wire_put_u64(&octets, id);
    buf_put(&octets, proof, sizeof proof);
    base32_encode(&text, buf_span(&octets));
    (void)span_copy(buf_span(&text), out, FROMID_SIZE);
    buf_free(&octets);
    buf_free(&text);
}

void fromid_make_plain(char out[FROMID_PLAIN_SIZE])
{
    unsigned char octets[OCTETS];
    struct buf text = {0};
    rand_bytes(octets, sizeof octets);
    base64url_encode(&text, span_of(octets, sizeof octets));
    (void)span_copy(buf_span(&text), out, FROMID_PLAIN_SIZE);
    buf_free(&text);
}

/* What an authenticated one says; false when it is none. */
static bool take_apart(struct span text, uint64_t *id, unsigned char proof[MAC_OCTETS])
{
    struct buf octets = {0};
    bool good = text.n == FROMID_SIZE - 1 && base32_decode(&octets, text) == 0;
    if (good) {
        struct wire w = wire_open(buf_span(&octets));
        *id = wire_u64(&w);
        memcpy(proof, w.p, MAC_OCTETS);
    }
    buf_free(&octets);
    return good;
}

bool fromid_is_genuine(const struct ledger *l, struct span text, uint64_t id, const char *account,
                       const char *address)
{
    unsigned char said[MAC_OCTETS], ours[MAC_OCTETS];
    uint64_t whose;
    if (!take_apart(text, &whose, said) || whose != id)
        return false;
    mac(l, id, account, address, ours);
    return mem_equal_secret(said, ours, sizeof ours);
}

static struct key key_of(const struct ledger *l, const char *account, struct span text)
{
    char *copy = span_dup(text);
    struct key k = key_fromid(name_hash(l->secret, account), name_hash(l->secret, copy));
    mem_free(&copy);
    return k;
}

/* Two texts with one hash: the later one is not to be had, and the earlier one not to be found
 * under the name of the later. */
static bool get(const struct ledger *l, struct store_txn *t, const char *account, struct span text,
                uint64_t *id, bool *same)
{
    struct key k = key_of(l, account, text);
    struct span value, its;
    if (!store_get(t, TABLE_FROMID, key_span(&k), &value) || fromid_row_read(value, id, &its) != 0)
        return false;
    *same = span_equal(its, text);
    return true;
}

void fromid_put(const struct ledger *l, struct store_txn *t, const char *account, const char *text,
                uint64_t id)
{
    struct buf b = {0};
    struct key k = key_of(l, account, span_text(text));
    fromid_row_put(&b, id, span_text(text));
    store_put(t, TABLE_FROMID, key_span(&k), buf_span(&b));
    buf_free(&b);
}

void fromid_remove(const struct ledger *l, struct store_txn *t, const char *account,
                   const char *text, uint64_t id)
{
    struct key k = key_of(l, account, span_text(text));
    uint64_t whose;
    bool same;
    if (get(l, t, account, span_text(text), &whose, &same) && same && whose == id)
        (void)store_delete(t, TABLE_FROMID, key_span(&k));
}

bool fromid_is_taken(const struct ledger *l, struct store_txn *t, const char *account,
                     const char *text)
{
    uint64_t whose;
    bool same;
    return get(l, t, account, span_text(text), &whose, &same);
}

bool fromid_find(const struct ledger *l, struct store_txn *t, const char *account, struct span text,
                 uint64_t *id, bool *row)
{
    unsigned char proof[MAC_OCTETS];
    *row = false;
    if (get(l, t, account, text, id, row) && *row)
        return true;
    *row = false;
    return take_apart(text, id, proof);
}

/* What its row has, of the queue or of the history; NULL: there is none. */
static char *look_up(struct store_txn *t, uint64_t id)
{
    struct key k = key_id(id);
    struct span value;
    struct rcpt_row r;
    struct retired_row past;
    char *text = NULL;
    if (store_get(t, TABLE_RCPT, key_span(&k), &value) && rcpt_row_read(value, &r) == 0) {
        text = mem_text(r.from_id);
        rcpt_row_clear(&r);
    } else if (store_get(t, TABLE_RETIRED, key_span(&k), &value) &&
               retired_row_read(value, &past) == 0) {
        text = mem_text(past.item.from_id);
        retired_row_clear(&past);
    }
    return text;
}

char *fromid_recall(const struct ledger *l, struct store_txn *t, uint64_t id, const char *account,
                    const char *address, bool plain)
{
    char made[FROMID_SIZE] = "";
    char *text = look_up(t, id);
    if (text != NULL)
        return text;
    if (!plain)
        fromid_make(l, id, account, address, made);
    return mem_text(made);
}
