#ifndef QM_HTTPLINGER_H
#define QM_HTTPLINGER_H

/* The end of a connection whose client may still be sending. Closing a socket that holds unread
 * octets resets the connection, and the reset can overtake the response on its way to the client,
 * which then never learns why it was refused (RFC 9112 section 9.6). So such a socket is read a
 * little longer, and what comes is thrown away. */

struct event_base;
struct httplinger;

/* For at most `most` sockets at once; beyond that they are closed at once. The caller frees it. */
struct httplinger *httplinger_new(struct event_base *base, unsigned most);

/* Closes those that are left. */
void httplinger_free(struct httplinger **l);

/* Reads fd until its end, for at most two seconds and a few megabytes, then closes it. fd is
 * non-blocking and is the linger's from now on; what had to be sent has been given to the kernel.
 */
void httplinger_add(struct httplinger *l, int fd);

#endif
