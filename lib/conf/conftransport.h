#ifndef QM_CONFTRANSPORT_H
#define QM_CONFTRANSPORT_H

#include <stdbool.h>

#include "conf.h"

/* The credentials of the transport of this name: the block `auth` of whatever kind it is. NULL when
 * there is no such transport, or it has none. */
const struct conf_block *conftransport_auth(const struct conf *conf, const char *transport);

/* Whether the transport of this name has a certificate to show to the server. For those who may see
 * it: master, delivery, vault. */
bool conftransport_has_certificate(const struct conf *conf, const char *transport);

/* Whether the transport of this name ("direct" and "local" among them) finds the MX hosts of the
 * recipients' domains itself. For those who may see its blocks: master, delivery, qmgr. */
bool conftransport_finds_mx(const struct conf *conf, const char *transport);

/* The local socket that the transport of this name delivers to, or NULL. For those who may see it:
 * master and delivery. */
const char *conftransport_socket(const struct conf *conf, const char *transport);

#endif
