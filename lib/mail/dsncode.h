#ifndef QM_DSNCODE_H
#define QM_DSNCODE_H

#include "buf.h"

/* What a notification says in numbers: the reply code of RFC 5321 4.2 and the enhanced status code
 * of RFC 3463, as they are found in texts of strangers. */

enum { DSNCODE_SIZE = 12 }; /* "5.999.999", a NUL, and some */

struct dsncode {
    int code;                    /* 200..599; 0: none */
    char enhanced[DSNCODE_SIZE]; /* "5.1.1"; "": none. Its class is the code's, if there is one */
};

/* Finds them in the text of a reply, or of a report on one: "550 5.1.1 No such user",
 * "550-5.1.1 ...", "550 #5.1.1", "host said: 550 5.1.1", "... (#5.1.1)". The first pair of both
 * counts; else a code that begins the text, or stands behind "said: ", "error ", "<<< " and the
 * like; else an enhanced code by itself. */
struct dsncode dsncode_scan(struct span text);

/* Reads a Status field (RFC 3464 2.3.4) into enhanced, perhaps with a comment behind it. A class of
 * 4 or 5 also gives a code, 400 or 500: the enhanced code is all that is known. */
struct dsncode dsncode_status(struct span value);

/* The codes of a diagnostic, completed with those of a status: that gives the code when the
 * diagnostic has none, and the enhanced code when it has none and the classes agree. */
struct dsncode dsncode_merge(struct dsncode diagnostic, struct dsncode status);

#endif
