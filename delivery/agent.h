#ifndef QM_AGENT_H
#define QM_AGENT_H

#include <bsd/sys/queue.h>

#include "counts.h"
#include "proto_deliver.h"
#include "service.h"
#include "transport.h"

/* One process, one transport: takes jobs from qmgr and answers each once. */

struct mailbox;
struct memo;
struct mailcharset;
struct pool;
struct sevenbit_plan;

enum { AGENT_SWEEPS = 256 };

struct agent {
    struct service *service;
    struct event_base *base;
    const char *label;           /* "direct" */
    struct transport *transport; /* of the configuration in use */
    struct ipc *qmgr;
    uint64_t qmgr_number;  /* which of the channels there have been */
    struct ipc *vault;     /* where the transport logs in somewhere; NULL while it is not there */
    uint64_t vault_number; /* goes up with each new one: a login cannot go on with another */
    int signs;             /* where vault signs handshakes with our certificate's key, and this
                              process waits for it; -1: nowhere */
    struct event *signs_end;
    struct ipc *hooks; /* where the transport looks for MX hosts; NULL while it is not there */
    LIST_HEAD(, stsfetch) fetches; /* see stslookup.c */
    struct learned learned;        /* what qmgr is yet to be told */
    char *socket_folder; /* which this process works in: settled by its first configuration */
    struct pool *pool;
    struct memo *limits;
    struct event *patience; /* with a qmgr that went away */
    struct recent *recent;
    struct memo *welcome;
    struct mailbox *mailbox; /* NULL but in the process of the transport "local" */
    struct event *resume;
    unsigned jobs;
    LIST_HEAD(, job)
    running, held; /* held: until a job for the same message, from a qmgr before, has ended; all are
                      of the present one */
    /* Monotonic: when folders of mailboxes were last swept, by a hash of their names; 0 not yet.
     * See maildir.c. */
    int64_t swept_ms[AGENT_SWEEPS];
    struct buf resolv_conf;
    X509_STORE *roots;
    struct dnsaddr *interfaces; /* this machine's, as they were when the process began */
    size_t interfaces_n;
    struct mailcharset *charsets; /* NULL but in the process of the transport "local" */
};

/* A message for some recipients, and what became of each so far. */
struct job {
    LIST_ENTRY(job) next;
    struct agent *agent;
    struct transport *transport; /* a reference */
    uint64_t channel, request;
    struct deliver_job *order;
    int body;
    uint64_t begins; /* at this octet of it the message begins that goes out */
    struct deliver_result
        *results;  /* one for each recipient of the order; DELIVER_DEFERRED until told otherwise */
    bool *settled; /* which are final for this attempt */
    int64_t start_mono_ms;
    bool late;           /* what is recorded of somebody is that time was over */
    enum counts_tls tls; /* the policy that is recorded */
    int64_t
        until_ms; /* monotonic: it is sent to no further recipients after this; 0 not sent yet */
    struct sevenbit_plan *seven; /* how it is converted for a server without 8BITMIME; NULL: that
                                    was not looked at, or */
    char *stuck;                 /* why it cannot be: a sentence */
};

/* Before the first link; and after the last, when it gives back all it holds but its transport and
 * pool. */
void agent_open(struct agent *a);
void agent_close(struct agent *a);
/* A channel from qmgr, whose descriptor it takes; the one before is over. A qmgr that stays away
 * for a minute does not know of us any more: then the process ends, and is started and linked anew.
 */
void agent_link(struct agent *a, int fd);
/* A channel to vault, whose descriptor it takes; the one before is over. */
void agent_link_vault(struct agent *a, int fd);
/* Where vault signs, likewise. */
void agent_link_sign(struct agent *a, int fd);
/* The certificate of the transport in use, if it has one, is shown to servers from now on, or
 * already is. Returns 0; -1 with a sentence while vault cannot sign for it. there: for another
 * reason than that vault is not there. */
int agent_identify(struct agent *a, struct transport *t, bool *there, struct fail *f);
/* A channel to hooks, whose descriptor it takes; the one before is over. */
void agent_link_hooks(struct agent *a, int fd);
/* Tells qmgr what has been learned, before it is answered. */
void agent_tell_learned(struct agent *a);
/* Uses t, which it takes, from now on. What is under way goes on with the one it began with. */
void agent_reload(struct agent *a, struct transport *t);
/* Ends the process as soon as nothing is left to tell qmgr. When the whole suite ends qmgr is gone
 * by now, and what is under way has had its time. When a reload took the transport away, what it
 * has begun is ended and told. */
void agent_stop(struct agent *a);

/* Whether the message is not to go on without REQUIRETLS (RFC 8689). That it is asked for a notice,
 * which has the null sender, should not have that one lost (section 5): it goes with REQUIRETLS
 * where that can be had, else without. */
bool job_insists_on_tls(const struct job *j);

/* What TLS was like, as in struct deliver_result; policy: the label of the one it was under, NULL
 * where there was none. Texts may be NULL for "". */
struct job_tls {
    const char *text, *name, *peer, *record, *policy;
};

/* The outcome for one recipient. Texts may be NULL for "". A second one replaces the first. */
struct job_outcome {
    enum deliver_status status;
    int code;
    const char *enhanced, *reply, *error, *stage;
    const char *remote_host, *remote_address;
    struct job_tls tls;
    uint64_t octets; /* sent of the message */
    bool reports;    /* the next hop tells the sender of success, if that is wished for */
    bool complaint;  /* as in struct deliver_result */
    bool late;       /* it came to this because time was over */
    const char *stored_folder, *stored_name; /* in a mailbox here; see proto_deliver.h */
    uint64_t stored_inode;
};
void job_settle(struct job *j, uint32_t recipient, const struct job_outcome *o);
/* The same for every recipient that is not settled. */
void job_settle_rest(struct job *j, const struct job_outcome *o);
/* The remote took the recipient, with these words; NULL: it has not, after all. What becomes of it
 * comes with job_settle. */
void job_note_taken(struct job *j, uint32_t recipient, const char *reply);
/* Answers qmgr and frees the job. What is not settled is deferred. */
void job_finish(struct job *j);

#endif
