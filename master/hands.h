#ifndef QM_HANDS_H
#define QM_HANDS_H

#include "world.h"

/* The descriptors that a process gets with a configuration: listening sockets and files that only
 * root may open. master opens the files and passes them on unread, so that a key is never in its
 * memory.
 *
 *   smtpd     listen <label> smtp|submission|submissions <address>:<port>    listening socket
 *             local                                                          listening socket of
 * sendmail(1) certificate <label>                                            PEM file webapi listen
 * <label> http <address>:<port>                           listening socket qmgr      admin <uid>
 * <gid>                                              listening socket; who may act (-1: none) vault
 * credentials                                                    account verifiers key <label>,
 * certificate <label>                               PEM files of a listener dkim <domain>
 * <selector>                                       PEM file password <transport> and
 * token <transport>, files whose first line it is
 * webhook outgoing|incoming <account>                              key file; the newer one first */

/* Sends all of them, as conf wants it, or -1 with a sentence: then the process is not to be
 * configured. */
int hands_send(struct process *p, const struct conf *conf, struct fail *f);

#endif
