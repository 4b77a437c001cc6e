#ifndef QM_ADDRESS_H
#define QM_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>

#include "buf.h"
#include "fail.h"

/* An SMTP mailbox, RFC 5321 4.1.2 as extended by RFC 6531 3.3: local part and domain. */

enum {
    ADDRESS_LOCAL_MAX = 64, /* octets of a local part, RFC 5321 4.5.3.1.1 */
    ADDRESS_TEXT_MAX = 2 * ADDRESS_LOCAL_MAX + 3 + 255 /* octets of any address that can be read */
};

/* All-zero is no address. */
struct address {
    char *local;  /* without quoting; 1..64 octets of ASCII or UTF-8, case kept, no control
                     characters */
    char *domain; /* lower-case A-labels, or a canonical literal in brackets; see domain.h */
    bool utf8;    /* the local part is not ASCII: the address needs SMTPUTF8 */
};

/* Reads exactly one mailbox in SMTP's syntax, no angle brackets, no spaces or comments around it:
 * an RFC 5322 field or a human's input is for addrlist_parse. Control characters are refused even
 * where quoted. Returns 0, or -1 with *a all-zero; else the caller clears it with address_clear. */
int address_parse(struct span text, struct address *a, struct fail *f);

/* Makes an address of a local part without quoting and a domain (name or literal) as text, applying
 * all rules but those of the local part's syntax. Result as for address_parse. */
int address_make(struct span local, struct span domain, struct address *a, struct fail *f);

/* Copies all of it. *to is overwritten, not freed. */
void address_copy(struct address *to, const struct address *from);
/* Frees what it holds; it is all-zero again. NULL is let be. */
void address_clear(struct address *a);

/* Whether octet may stand in an atom (RFC 5322 3.2.3), octets of UTF-8 included (RFC 6532 3.2). */
bool address_is_atext(int octet);

/* Appends "local@domain" as SMTP wants it, the local part quoted where it must be. */
void address_write(struct buf *out, const struct address *a);
/* As address_write, with U-labels: for people, and for the header of an SMTPUTF8 message. */
void address_write_unicode(struct buf *out, const struct address *a);
/* The address in text likewise, or the text as it is where it is none. */
void address_write_shown(struct buf *out, const char *text);
/* "local@domain" as address_write has it, as a new string (mem_free). */
char *address_text(const struct address *a);

/* Whether both name the same mailbox: domains equal, local parts equal in case and, where they are
 * not ASCII, in their NFC form (RFC 6532 3.1). */
bool address_equal(const struct address *a, const struct address *b);

/* Cuts a local part at the first occurrence of separator (not empty) that is not its very
 * beginning: "mjl+lists" and "+" give "mjl" and "lists". Returns false when there is none; *base is
 * then the whole and *detail empty. Both point into local. */
bool address_split(const char *local, const char *separator, struct span *base,
                   struct span *detail);

#endif
