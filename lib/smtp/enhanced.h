#ifndef QM_ENHANCED_H
#define QM_ENHANCED_H

#include <stddef.h>

#include "buf.h"

/* Enhanced mail system status codes: class.subject.detail (RFC 3463, RFC 2034, RFC 5248). */

enum { ENHANCED_SIZE = 10 }; /* "5.999.999" and a NUL */

struct enhanced {
    unsigned char class;            /* 2, 4 or 5; 0 when there is no code */
    unsigned short subject, detail; /* 0..999 */
};

/* Takes a code off the beginning of text, where it must be followed by a space, a tab or nothing
 * (RFC 2034 section 4). Returns how many octets the code itself has, or 0 if there is none, *e then
 * being all-zero. Leading zeros are tolerated, more than three digits are not. */
size_t enhanced_scan(struct span text, struct enhanced *e);

/* As enhanced_scan, for a text that must be the code and nothing else. Returns 0 or -1. */
int enhanced_parse(struct span text, struct enhanced *e);

/* Writes the code, NUL-terminated, or "" for none. Returns out. */
const char *enhanced_format(struct enhanced e, char out[ENHANCED_SIZE]);

/* What a basic code (200..599) stands for when nobody said more: the subject and detail closest to
 * what RFC 5321 section 4.2 and the RFC that defined the code say of it, else class.0.0. 3xx
 * replies carry no code (RFC 2034 section 4): all-zero. */
struct enhanced enhanced_default(int code);

/* A short description of subject.detail in lower case: that of the registered code, else that of
 * the subject alone. Never NULL. The class is not looked at. */
const char *enhanced_text(struct enhanced e);

/* The last one of this class that a line's text begins with, in a whole reply as results keep it:
 * lines with their codes, joined by "\n". All-zero for none. It is the one that struct reply has of
 * the same reply. */
struct enhanced enhanced_in_reply(const char *reply, unsigned class);

#endif
