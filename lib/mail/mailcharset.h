#ifndef QM_MAILCHARSET_H
#define QM_MAILCHARSET_H

#include <stdbool.h>
#include <stddef.h>

#include "buf.h"

/* Text of strangers, in whatever charset, as UTF-8. The C library's iconv loads a file for each
 * charset when it is asked for one, which a process in an empty root cannot do any more. So all of
 * them are opened at once before that, and kept: measured, 2.2 ms and 2.4 MiB of resident memory,
 * of which 0.7 MiB are the process's own and the rest pages of files that all processes share. */

struct mailcharset;

enum { MAILCHARSET_UNKNOWN = -1 };

/* Opens a converter for each charset of the table in mailcharset.c: US-ASCII, UTF-8, UTF-16,
 * UTF-32, UTF-7, ISO-8859-1 to -16, windows-874 and -1250 to -1258, KOI8-R, -U and -T, the IBM code
 * pages of DOS, Macintosh, TIS-620, GBK, GB18030, ISO-2022-CN, Big5, EUC-TW, EUC-JP, Shift_JIS,
 * ISO-2022-JP, EUC-KR, ISO-2022-KR. To be called before the process is confined, and not
 * to be used by two threads at a time. One that this machine lacks is left out: text in it then
 * counts as text in an unknown charset. Never NULL; for mailcharset_close. */
struct mailcharset *mailcharset_open(void);

/* Closes all, and sets *set to NULL. *set may be NULL. */
void mailcharset_close(struct mailcharset **set);

/* How many charsets of the table could not be opened. */
size_t mailcharset_missing(const struct mailcharset *set);

/* The number of the charset of this name (any case, the usual aliases, perhaps quoted), or
 * MAILCHARSET_UNKNOWN. With set NULL only those that need no converter are known: UTF-8, US-ASCII,
 * ISO-8859-1, windows-1252. */
int mailcharset_find(const struct mailcharset *set, struct span name);

/* Whether a line end in it is something else than the octet 0x0a: UTF-16, UTF-32. */
bool mailcharset_is_wide(struct span name);

/* Appends octets of that charset as well-formed UTF-8; U+FFFD in place of what is wrong in it. In
 * an unknown charset what is UTF-8 stays and every other octet is replaced. ISO-8859-1 is read as
 * windows-1252, which is what is meant where the two differ. cut says that the octets were cut off
 * somewhere: a character that is not complete at their end is left out. */
void mailcharset_decode(const struct mailcharset *set, int charset, struct span octets, bool cut,
                        struct buf *out);

#endif
