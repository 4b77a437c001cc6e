#ifndef QM_REPLY_H
#define QM_REPLY_H

#include <stdbool.h>
#include <stddef.h>

#include "buf.h"
#include "enhanced.h"
#include "fail.h"
#include "line.h"

/* SMTP replies (RFC 5321 section 4.2): reading them as a client, writing them as a server. */

enum {
    REPLY_LINE_MAX = 2048,    /* octets of one line, without its end */
    REPLY_LINES_KEPT = 16,    /* lines of one reply that are kept */
    REPLY_OCTETS_KEPT = 8192, /* octets of them */
    REPLY_LINES_MAX = 1000,   /* lines of one reply that are read */
    REPLY_WRITE_LINE = 512,   /* octets of a line we write, with its CR LF (RFC 5321 4.5.3.1.5) */
    REPLY_WRITE_LINES = 100,  /* lines of a reply we write */
};

struct reply {
    int code; /* 200..599 */
    struct enhanced
        enhanced;    /* of the last line that has one whose class fits the code, else zero */
    size_t lines;    /* that arrived */
    size_t kept;     /* that are kept, the first ones */
    bool cut;        /* more arrived than is kept */
    struct buf text; /* private: the kept lines, one behind the other */
    size_t ends[REPLY_LINES_KEPT]; /* private: where each ends in text */
};

/* Called with the text of each line as it arrives, kept or not: what is behind the code and the
 * space or dash. For an EHLO reply, which may be longer than what is kept (ehlo_line). */
typedef void reply_each(void *arg, struct span text);

enum reply_got {
    REPLY_MORE, /* the reply is not complete: give more input */
    REPLY_DONE, /* reply is complete */
    REPLY_BAD,  /* this is not SMTP: the connection is of no more use */
};

struct reply_parser {
    struct reply reply; /* after REPLY_DONE, until the next reply_feed */
    reply_each *each;   /* may be set by the caller between replies; NULL for none */
    void *arg;
    /* ---- private */
    struct line_reader reader;
    bool done, bad;
};

/* Makes *p ready for the first reply of a connection. It holds memory: reply_close. */
void reply_open(struct reply_parser *p);

/* Takes octets off the front of *in, up to the end of one reply at most; what follows is left
 * there, for replies to pipelined commands. Each line is three digits, 200..599, and a space, a
 * dash or nothing; every line has the same code; a LF alone ends a line too. REPLY_BAD writes into
 * f what is wrong, and every later call does the same. */
enum reply_got reply_feed(struct reply_parser *p, struct span *in, struct fail *f);

/* Forgets a reply that is not complete, as must happen when TLS starts (RFC 3207 section 4.2). */
void reply_reset(struct reply_parser *p);

/* Frees what p holds, the last reply included. p is all-zero afterwards. */
void reply_close(struct reply_parser *p);

/* The last complete reply, for the caller to keep and to release with reply_free. Only once,
 * between a REPLY_DONE and the next call. */
struct reply reply_take(struct reply_parser *p);

/* Frees what r holds and makes it all-zero, which may be freed again. */
void reply_free(struct reply *r);

/* Line i (0 .. kept-1) as it arrived, without its line end; may hold any octet but LF. Valid until
 * r changes. A line that was longer than the room left for it is cut. */
struct span reply_line(const struct reply *r, size_t i);

/* As reply_line, without the code and the space or dash. */
struct span reply_line_text(const struct reply *r, size_t i);

/* Appends all kept lines, each with its code and escaped as by reply_escape, with separator between
 * them, and " [...]" at the end if there was more: fit for a log line, a store or the text of a DSN
 * (RFC 3464 section 2.3.6 with a space as separator). */
void reply_text(struct buf *out, const struct reply *r, const char *separator);

/* Appends text with every control character (C1 and DEL included) and every octet that is not part
 * of well-formed UTF-8 as \xNN. Escaping twice changes nothing more. */
void reply_escape(struct buf *out, struct span text);

/* The class of a code: 2yz done, 3yz go on, 4yz failed for now, 5yz failed for good. */
static inline bool reply_is_ok(int code)
{
    return code / 100 == 2;
}

static inline bool reply_is_intermediate(int code)
{
    return code / 100 == 3;
}

static inline bool reply_is_temporary(int code)
{
    return code / 100 == 4;
}

static inline bool reply_is_permanent(int code)
{
    return code / 100 == 5;
}

/* Appends a reply as a server sends it, CR LF included. code: 200..599. enhanced: "2.1.0", of the
 * code's own class, put on every line; NULL for none, as it must be in a greeting, in any reply to
 * EHLO or HELO and in 3yz replies (RFC 2034 section 4). text: one line or several, separated by LF.
 * Lines that would be longer than REPLY_WRITE_LINE are wrapped, and lines beyond REPLY_WRITE_LINES
 * left out with a mark. Control characters and octets above 127 are written as \xNN. */
void reply_write(struct buf *out, int code, const char *enhanced, struct span text);

/* As reply_write, but well-formed UTF-8 stays as it is: for commands with SMTPUTF8 (RFC
 * 6531 3.7.4.2). */
void reply_write_utf8(struct buf *out, int code, const char *enhanced, struct span text);

#endif
