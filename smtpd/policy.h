#ifndef QM_SMTPD_POLICY_H
#define QM_SMTPD_POLICY_H

#include "address.h"
#include "addrlist.h"
#include "path.h"
#include "settings.h"

/* Who may send as whom, and to whom. Nothing here looks at anything but the configuration. */

/* Whether the client may use this reverse path; sender is NULL for the null one. account is who
 * authenticated, NULL for nobody. On the submission ports it must be an address of the account
 * (550 5.7.1). A domain that is disabled is for nobody but strangers (451 4.7.1). Returns 0, or -1
 * with *why filled. */
int policy_sender(const struct settings *s, enum port_kind port, const char *account,
                  const struct address *sender, struct path_refusal *why);

/* Whether each address of a From field belongs to the account (else 550 5.7.1). Returns 0, or -1
 * with *why filled. */
int policy_from(const struct settings *s, const char *account, const struct addrlist *from,
                struct path_refusal *why);

/* Whether the client may send to this recipient. path is what the command said; recipient is that
 * address parsed, or all-zero when it was a bare <postmaster>. Mail to a postmaster that has no
 * account of his own goes to the configured one: *recipient is replaced then. Refused are, on the
 * public port, addresses of other domains (550 5.7.1, whatever their local part looks like) and
 * source routes (550 5.7.1), and everywhere but on the local port unknown addresses of our domains
 * (550 5.1.1). Everywhere a domain of ours that is disabled is put off (450 4.2.1). Returns 0, or
 * -1 with *why filled. */
int policy_recipient(const struct settings *s, enum port_kind port, const struct path *path,
                     struct address *recipient, struct path_refusal *why);

/* The id for bounces that a client itself put behind the separator of its reverse path: what
 * follows local part's base; an empty span when there is none. */
struct span policy_detail(const struct settings *s, const struct address *sender);

/* Whether a reverse path of this login, if it is one whose mail needs from ids, has a place for
 * them (554 5.1.7). Returns 0, or -1 with *why filled. */
int policy_from_id(const struct settings *s, const char *account, const char *login,
                   const struct address *sender, struct path_refusal *why);

/* Whether mail of this login, an address as the client wrote it, gets a reverse path of its own for
 * each recipient. */
bool policy_wants_from_id(const struct settings *s, const char *account, const char *login);

#endif
