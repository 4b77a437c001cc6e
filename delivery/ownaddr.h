#ifndef QM_OWNADDR_H
#define QM_OWNADDR_H

#include "conf.h"
#include "dnsaddr.h"

/* The addresses at which this system itself takes mail from other servers. A host that has one of
 * them is this system: mail sent there would come back. */

struct ownaddr {
    size_t n;
    struct dnsaddr *list;
    bool all_4, all_6; /* whatever address of the family leads to this machine */
};

/* The addresses of this machine's interfaces; *n of them. The caller frees them (mem_free). Opens a
 * socket of the kernel's, so before confinement. */
struct dnsaddr *ownaddr_interfaces(size_t *n);

/* Of all blocks `listen` that serve SMTP on this port, in *o, all-zero before. Where one takes all
 * addresses of a family these are the interfaces' and sources, addresses that mail is sent from. */
void ownaddr_read(struct ownaddr *o, const struct conf *conf, int port,
                  const struct dnsaddr *interfaces, size_t interfaces_n,
                  const struct conf_value *sources, size_t sources_n);
void ownaddr_clear(struct ownaddr *o);

/* Where mail to this host, which MX records led to, is sent from when nobody says otherwise: the
 * one address of the family at which we listen, loopback not counted. Other servers look up that
 * one's name, and their packets to it are answered from it whatever network they are in, so it
 * serves as a source there. None where the host or the listener is of a private network, or where
 * we listen at more than one. Returns whether there is one, in *from then. */
bool ownaddr_source(const struct ownaddr *o, const struct dnsaddr *host, struct dnsaddr *from);

/* An IPv4 address that is written as an IPv6 one (::ffff:192.0.2.1) is the same. */
bool ownaddr_has(const struct ownaddr *o, const struct dnsaddr *a);

#endif
