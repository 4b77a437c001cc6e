#ifndef QM_SCRAM_H
#define QM_SCRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "fail.h"

/* What is kept of a password: the verifier of SCRAM-SHA-256 (RFC 5802, RFC 7677). It checks
 * passwords and SCRAM exchanges; whoever steals it can do neither without guessing the password
 * first. */

#define SCRAM_KEY_SIZE 32
#define SCRAM_SALT_SIZE 16 /* of the salts made here */
#define SCRAM_SALT_MIN 8   /* and of those read */
#define SCRAM_SALT_MAX 64
#define SCRAM_ITERATIONS_MIN 4096 /* RFC 7677 section 4; the default */
#define SCRAM_ITERATIONS_MAX 65536
#define SCRAM_PASSWORD_MAX 1024 /* octets, as given */
#define SCRAM_TEXT_MAX 256      /* octets of the text form */

/* No pointers: may be copied, and is wiped with scram_wipe. */
struct scram_verifier {
    uint32_t iterations; /* of PBKDF2 */
    uint8_t salt_size;
    unsigned char salt[SCRAM_SALT_MAX];
    unsigned char stored_key[SCRAM_KEY_SIZE], server_key[SCRAM_KEY_SIZE];
};

/* Brings a password to the form in which two spellings of the same text are equal (RFC 8265 section
 * 4.2, OpaqueString): white space of any script becomes a space, then NFC. Appends it to *out,
 * which the caller wipes. Returns 0, or -1 with a sentence and *out as it was: empty, longer than
 * SCRAM_PASSWORD_MAX, not UTF-8, or with characters that the FreeformClass of RFC 8264 forbids
 * (control characters, unassigned and private ones, invisible ones but the joiners that some
 * scripts need). */
int scram_normalise(struct span password, struct buf *out, struct fail *f);

/* Makes the verifier of a password with a fresh salt. iterations is SCRAM_ITERATIONS_MIN to
 * SCRAM_ITERATIONS_MAX; 4096 take about 2 ms. Returns 0, or -1 with the sentence of
 * scram_normalise. */
int scram_make(struct scram_verifier *v, struct span password, uint32_t iterations, struct fail *f);

/* As scram_make, with this salt (SCRAM_SALT_MIN to SCRAM_SALT_MAX octets). */
int scram_derive(struct scram_verifier *v, struct span password, struct span salt,
                 uint32_t iterations, struct fail *f);

/* Whether the password, in any spelling, is the one that the verifier was made of. Takes the time
 * of scram_make whether it is or not. What scram_normalise refuses is never the password. */
bool scram_check(const struct scram_verifier *v, struct span password);

/* A verifier that no password satisfies, for a login that does not exist. It is the same for the
 * same key and login every time, and as random to whoever lacks the key as a real one. iterations
 * is what new verifiers get. */
void scram_fake(struct scram_verifier *v, struct span key, struct span login, uint32_t iterations);

/* Appends the text form: SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>, the last three
 * in base64. No white space, no line end. */
void scram_text(const struct scram_verifier *v, struct buf *out);

/* Reads the text form, strictly: text that scram_text would not have written is refused, as are
 * iterations and salts outside the limits above. Returns 0, or -1 with a sentence. */
int scram_parse(struct scram_verifier *v, struct span text, struct fail *f);

/* Overwrites the verifier. */
void scram_wipe(struct scram_verifier *v);

#endif
