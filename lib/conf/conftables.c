#include "conftables.h"

/* The root, and the blocks that hold the settings of one service each. */

#define EVERYONE                                                                                   \
    (CONF_MASTER | CONF_SMTPD | CONF_QMGR | CONF_DELIVERY | CONF_WEBAPI | CONF_HOOKS | CONF_VAULT)

static const struct conf_setting users_settings[] = {
    {"smtpd", CONF_USER, 0, CONF_MASTER, "qm-smtpd",
     .doc = "Who the SMTP server runs as: name or numeric id."},
    {"queue", CONF_USER, 0, CONF_MASTER, "qm-queue",
     .doc = "Who the queue manager runs as; owns the store."},
    {"deliver", CONF_USER, 0, CONF_MASTER, "qm-deliver",
     .doc = "Who the delivery processes run as."},
    {"web", CONF_USER, 0, CONF_MASTER, "qm-web", .doc = "Who the HTTP API runs as."},
    {"hooks", CONF_USER, 0, CONF_MASTER, "qm-hooks",
     .doc = "Who the HTTP client for webhooks runs as."},
    {"vault", CONF_USER, 0, CONF_MASTER, "qm-vault", .doc = "Who the keeper of the keys runs as."},
    {"admin-group", CONF_USER, 0, CONF_MASTER,
     .doc = "A group, by name or numeric id, whose members may use the admin socket beside root. "
            "Without it only root may."},
};

static const struct conf_block_type users = {
    .name = "users",
    .flags = CONF_ALWAYS,
    .readers = CONF_MASTER,
    CONF_TABLE(users_settings),
    .doc = "The users that the processes drop to. Without root all of them run as whoever started "
           "the suite.",
};

#define INTAKE (CONF_SMTPD | CONF_WEBAPI) /* who share qmgr's descriptors */

static const struct conf_setting workers_settings[] = {
    {"smtpd", CONF_INT, 0, CONF_MASTER | INTAKE, "2", .min = "1", .max = "64",
     .doc = "SMTP server processes."},
    {"webapi", CONF_INT, 0, CONF_MASTER | INTAKE, "1", .min = "1", .max = "64",
     .doc = "HTTP API processes."},
    {"vault", CONF_INT, 0, CONF_MASTER, "1", .min = "1", .max = "64",
     .doc = "Vault processes; password hashing and signing is what keeps them busy."},
};

static const struct conf_block_type workers = {
    .name = "workers",
    .flags = CONF_ALWAYS,
    .readers = CONF_MASTER | INTAKE,
    CONF_TABLE(workers_settings),
    .doc = "How many processes of a kind run.",
};

#define LISTEN_SMTP (CONF_SMTPD)
#define LISTEN_BOTH (CONF_SMTPD | CONF_WEBAPI)
#define OWN (CONF_DELIVERY) /* which has to know where mail would come back */

static const struct conf_setting listen_settings[] = {
    {"address", CONF_ADDRESS, CONF_LIST | CONF_REQUIRED, LISTEN_BOTH | OWN,
     .doc = "IP addresses to bind. 0.0.0.0 and :: stand for all of their family; :: takes IPv6 "
            "alone."},
    {"smtp", CONF_INT, 0, LISTEN_SMTP | OWN, .min = "1", .max = "65535",
     .doc = "Port for mail from other servers, usually 25. Not served when not given."},
    {"submission", CONF_INT, 0, LISTEN_SMTP, .min = "1", .max = "65535",
     .doc = "Port for mail from users, who start TLS by STARTTLS; usually 587. Not served when not "
            "given."},
    {"submissions", CONF_INT, 0, LISTEN_SMTP, .min = "1", .max = "65535",
     .doc = "Port for mail from users with TLS from the first octet, usually 465. Not served when "
            "not given."},
    {"http", CONF_INT, 0, CONF_WEBAPI, .min = "1", .max = "65535",
     .doc = "Port for HTTP: webapi and metrics say what it serves. Not served when not given."},
    {"webapi", CONF_BOOL, 0, CONF_WEBAPI, "no", .doc = "Serve the HTTP API on the http port."},
    {"webapi-path", CONF_TEXT, 0, CONF_WEBAPI, "/webapi/", .min = "1", .max = "200",
     .doc = "Path below which the HTTP API is served: letters, digits and - . _ ~ between slashes. "
            "It begins with a slash and, said or not, ends with one."},
    {"metrics", CONF_BOOL, 0, CONF_WEBAPI, "no",
     .doc = "Serve metrics for Prometheus on the http port, to anybody who can reach it."},
    {"http-host", CONF_HOST, CONF_LIST, CONF_WEBAPI,
     .doc = "Further names that the HTTP API answers to. Without any it answers requests to the "
            "hostname, to localhost and to any IP address, and knows nothing under other names."},
    {"forwarded", CONF_BOOL, 0, CONF_WEBAPI, "no",
     .doc = "The http port is reached through a proxy alone, which sets X-Forwarded-For: the "
            "first address there is the client's. Requests to the HTTP API without it get 500."},
    {"certificate-file", CONF_PATH, 0, CONF_SMTPD | CONF_VAULT,
     .doc = "TLS certificate chain, PEM, the server's own first."},
    {"key-file", CONF_PATH, CONF_SECRET_FILE, CONF_VAULT,
     .doc = "Private key of that certificate, PEM. Only the vault process gets to see it."},
    {"require-tls-for-auth", CONF_BOOL, 0, CONF_SMTPD, "yes",
     .doc = "Offer and take AUTH on submission only after STARTTLS. With no, passwords may cross "
            "the network in the clear."},
    {"requiretls", CONF_BOOL, 0, CONF_SMTPD, "yes",
     .doc = "Announce REQUIRETLS (RFC 8689) under TLS. With no, mail that asks for it is refused "
            "with 555. Sendmail and the HTTP API can ask for it all the same."},
};

static const struct conf_block_type listen_block = {
    .name = "listen",
    .label = CONF_LABEL_NAME,
    .label_doc = "NAME",
    .readers = CONF_SMTPD | CONF_WEBAPI | CONF_VAULT | OWN,
    CONF_TABLE(listen_settings),
    .doc = "Addresses and the ports served on each of them. At least one port has to be given.",
};

static const struct conf_setting smtp_settings[] = {
    {"message-size", CONF_SIZE, 0, CONF_SMTPD | CONF_QMGR | CONF_WEBAPI, "100M", .min = "64K",
     .max = "2G",
     .doc = "Largest message taken, in octets (RFC 1870); the HTTP API keeps to it too."},
    {"recipients", CONF_INT, 0, CONF_SMTPD | CONF_QMGR | CONF_WEBAPI, "1000", .min = "1",
     .max = "100000", .doc = "Recipients of one message; more get 452."},
    {"local-recipients", CONF_INT, 0, CONF_SMTPD, "10000", .min = "1", .max = "100000",
     .doc = "The same for a message from a user of this machine, by sendmail: a program of old "
            "knows of no limit and cannot send the rest in another message."},
    {"command-line", CONF_INT, 0, CONF_SMTPD, "2048", .min = "512", .max = "65536",
     .doc = "Longest command line taken, in octets with its CR LF."},
    {"data-line", CONF_INT, 0, CONF_SMTPD, "65536", .min = "1000", .max = "1048576",
     .doc =
         "Longest line of a message taken, in octets with its CR LF; a message with a longer one "
         "is refused. The standard allows 1000. Messages by sendmail may have lines of any "
         "length."},
    {"errors", CONF_INT, 0, CONF_SMTPD, "20", .min = "1", .max = "1000",
     .doc = "Bad commands after which a connection is closed with 421."},
    {"idle-commands", CONF_INT, 0, CONF_SMTPD, "100", .min = "1", .max = "1000000",
     .doc = "Commands that bring no message nearer (NOOP, RSET, HELP, VRFY, EXPN, EHLO, HELO) "
            "after which a connection is closed with 421; the count begins anew with each "
            "recipient taken."},
    {"error-delay", CONF_DURATION, 0, CONF_SMTPD, "1s", .min = "0", .max = "1m",
     .doc = "Pause before the reply to a bad command or a failed authentication."},
    {"transactions", CONF_INT, 0, CONF_SMTPD, "1000", .min = "1", .max = "1000000",
     .doc = "Messages taken over one connection."},
    {"connections", CONF_INT, 0, CONF_SMTPD, "1000", .min = "1", .max = "100000",
     .doc = "Connections open at once in one SMTP server process, of which there are as many as "
            "workers.smtpd says; the kernel spreads connections over them. More get 421 and are "
            "closed; on a submissions port, where a client awaits TLS, they are closed without it. "
            "Each takes two descriptors: where the limit of the process (ulimit -n, LimitNOFILE) "
            "is too low for that, there are as many as it allows, and a line in the log says so. "
            "That goes for deliver.connections, queue.concurrency and webapi.connections too."},
    {"connections-per-address", CONF_INT, 0, CONF_SMTPD, "50", .min = "1", .max = "100000",
     .doc = "The same from one IPv4 address or one IPv6 /64 network."},
    {"command-timeout", CONF_DURATION, 0, CONF_SMTPD, "5m", .min = "1s", .max = "1h",
     .doc = "How long a client may take to send its next command (RFC 5321 4.5.3.2.7)."},
    {"data-timeout", CONF_DURATION, 0, CONF_SMTPD, "5m", .min = "1s", .max = "1h",
     .doc = "How long a client may send nothing inside a message."},
    {"data-total", CONF_DURATION, 0, CONF_SMTPD, "60m", .min = "1s", .max = "24h",
     .doc = "How long a client may take to send one message."},
    {"auth-failures", CONF_INT, 0, CONF_SMTPD, "3", .min = "1", .max = "100",
     .doc = "Failed authentications after which a connection is closed."},
    {"received-hops", CONF_INT, 0, CONF_SMTPD, "100", .min = "10", .max = "1000",
     .doc = "Received headers after which a message is taken to run in a circle and refused "
            "(RFC 5321 6.3)."},
    {"memory", CONF_SIZE, 0, CONF_SMTPD, "256M", .min = "1M", .max = "1024G",
     .doc = "Octets of messages being received at once, over all connections of one process; a "
            "further message gets 452. At least message-size."},
    {"strip-extra-headers", CONF_BOOL, 0, CONF_SMTPD, "no",
     .doc =
         "Take X-Mox-Extra-* and X-Quartermaster-Extra-* out of the header of submitted messages, "
         "so that recipients do not see what webhooks and events tell."},
};

static const struct conf_block_type smtp = {
    .name = "smtp",
    .flags = CONF_ALWAYS,
    .readers = CONF_SMTPD | CONF_QMGR | CONF_WEBAPI,
    CONF_TABLE(smtp_settings),
    .doc = "Limits of the SMTP server.",
};

static const struct conf_setting queue_settings[] = {
    {"first-retry", CONF_DURATION, 0, CONF_QMGR, "450s", .min = "1s", .max = "1d",
     .doc = "Wait after the first failed attempt; it doubles with each further one."},
    {"longest-wait", CONF_DURATION, 0, CONF_QMGR, "7d", .min = "1s", .max = "30d",
     .doc = "No wait becomes longer than that."},
    {"attempts", CONF_INT, 0, CONF_QMGR, "8", .min = "1", .max = "100",
     .doc = "Attempts after which a recipient has failed and the sender is told. With the default "
            "the last one is 15 h 53 min after the first, so that an application hears of it "
            "within a day, and lifetime is not reached. To try for five days, set 11 (the last "
            "one after 5 d 8 h), or 100 with longest-wait 4h (36 attempts, the last one after "
            "5 d 4 h)."},
    {"delay-notice-attempt", CONF_INT, 0, CONF_QMGR, "5", .min = "0", .max = "100",
     .doc = "The failed attempt after which the sender is told of the delay; 0 is never."},
    {"postmaster-copies", CONF_WORD, CONF_LIST, CONF_QMGR,
     .words = "failed delayed delivered relayed",
     .doc = "Of which notices to senders postmaster gets a copy, with the header of the message "
            "alone."},
    {"double-bounces", CONF_BOOL, 0, CONF_QMGR, "no",
     .doc = "Whether postmaster is told of mail that failed and has no sender to be told, as "
            "notices that nobody takes."},
    {"retry-jitter", CONF_INT, 0, CONF_QMGR, "1", .min = "0", .max = "50",
     .doc = "Percent by which each wait is lengthened or shortened at random."},
    {"lifetime", CONF_DURATION, 0, CONF_QMGR, "5d", .min = "1m", .max = "90d",
     .doc = "Age of a message at which an attempt that fails is its last, however few there were."},
    {"destination-concurrency", CONF_INT, 0, CONF_QMGR, "20", .min = "1", .max = "1000",
     .doc = "Deliveries in flight to one destination, at most. One is added whenever all it has "
            "were in use and one ended well. The server of a transport that has one begins "
            "likewise, and may come to the connections of the transport."},
    {"destination-concurrency-start", CONF_INT, 0, CONF_QMGR, "5", .min = "1", .max = "1000",
     .doc = "Deliveries in flight to a destination that nothing is known of yet. When it cannot be "
            "reached, they are halved."},
    {"destination-pause", CONF_DURATION, 0, CONF_QMGR, "1m", .min = "0", .max = "1d",
     .doc = "How long a destination is left alone that could not be reached three times in a row, "
            "one delivery at a time. An attempt that is due meanwhile is put off without a "
            "connection, and counts. 0 never leaves one alone. The server of a transport that "
            "has one is left alone as one destination, for all mail that goes there."},
    {"transport-concurrency", CONF_INT, 0, CONF_QMGR, "1300", .min = "1", .max = "10000",
     .doc = "Deliveries in flight through one transport, no more than its connections either, so "
            "that one that is slow or does not answer leaves some of concurrency to the others. "
            "Half of them at most are for recipients that were put off before."},
    {"destination-recipients", CONF_INT, 0, CONF_QMGR, "1000", .min = "1", .max = "10000",
     .doc = "Recipients of a message in one delivery to a destination, over one connection, as far "
            "as their share of window goes (a fortieth of it for one account at a destination). "
            "How many of them go in one transaction is for transaction-recipients and the server "
            "to say."},
    {"window", CONF_INT, 0, CONF_QMGR, "20000", .min = "100", .max = "1000000",
     .doc = "Due recipients held in memory, half of them never tried and half put off before; the "
            "others stay in the store until there is room."},
    {"body-memory", CONF_SIZE, 0, CONF_QMGR, "64M", .min = "1M", .max = "1024G",
     .doc = "Octets of messages held in memory for deliveries in flight. An account has no more of "
            "them than it leaves to others, and one message beyond that; messages of a 32nd of "
            "this at most don't wait for larger ones."},
    {"large-body", CONF_SIZE, 0, CONF_QMGR, "1M", .min = "4K", .max = "64M",
     .doc = "Larger messages are kept in a file of their own instead of the database."},
    {"minimum-free", CONF_SIZE, 0, CONF_QMGR, "100M", .min = "0", .max = "1024G",
     .doc = "Free space of the store's file system below which new mail is refused for the time."},
    {"slow-down", CONF_DURATION, 0, CONF_QMGR | CONF_SMTPD, "5s", .min = "0", .max = "5m",
     .doc =
         "Longest delay of the answer to new mail: it grows from nothing, where twice minimum-free "
         "is free, to this, where minimum-free is; likewise as the database fills its map; and of "
         "the answer to MAIL, as more than half of smtp.memory is in use."},
    {"map-size", CONF_SIZE, 0, CONF_QMGR, "1024G", .min = "16M", .max = "65536G",
     .doc = "Address space for the database, the most it can ever grow to, beyond which new mail "
            "is refused for the time. It costs no memory and no disk by itself, and is read at the "
            "start only."},
    {"keep-retired-messages", CONF_DURATION, 0, CONF_QMGR, "72h", .min = "0", .max = "3650d",
     .doc = "How long what became of a message is kept; 0 keeps nothing. An account can have its "
            "own."},
    {"keep-retired-webhooks", CONF_DURATION, 0, CONF_QMGR, "72h", .min = "0", .max = "3650d",
     .doc = "How long what became of a webhook call is kept; 0 keeps nothing. An account can have "
            "its own."},
    {"keep-events", CONF_DURATION, 0, CONF_QMGR, "168h", .min = "0", .max = "3650d",
     .doc = "How long events are kept."},
    {"keep-removed-messages", CONF_DURATION, 0, CONF_QMGR, "720h", .min = "0", .max = "3650d",
     .doc =
         "How long it is remembered that a message was removed from a mailbox over the HTTP API. "
         "Afterwards its id is one that never was."},
    {"keep-idempotency-keys", CONF_DURATION, 0, CONF_QMGR, "24h", .min = "1m", .max = "365d",
     .doc = "How long a message's Idempotency-Key is known: a client of the HTTP API that sends it "
            "again with the same request gets the first answer again, and nothing is sent."},
    {"concurrency", CONF_INT, 0, CONF_QMGR, "1600", .min = "1", .max = "10000",
     .doc = "Deliveries in flight in all, half of them at most to recipients that were put off "
            "before."},
};

static const struct conf_block_type queue = {
    .name = "queue",
    .flags = CONF_ALWAYS,
    .readers = CONF_QMGR | CONF_SMTPD,
    CONF_TABLE(queue_settings),
    .doc = "The queue and its schedule.",
};

#define RESOLVERS (CONF_SMTPD | CONF_DELIVERY | CONF_HOOKS)

static const struct conf_setting dns_settings[] = {
    {"server", CONF_ENDPOINT, CONF_LIST, RESOLVERS,
     .doc = "Recursive resolvers, as address:port. Without any, those of /etc/resolv.conf."},
    {"timeout", CONF_DURATION, 0, RESOLVERS, "5s", .min = "100ms", .max = "1m",
     .doc = "How long one server may take to answer before the next is asked."},
    {"tries", CONF_INT, 0, RESOLVERS, "3", .min = "1", .max = "10",
     .doc = "Questions sent before a name counts as not resolvable for now."},
    {"cache", CONF_INT, 0, RESOLVERS, "10000", .min = "0", .max = "1000000",
     .doc = "Answers remembered by each process."},
    {"trust-ad", CONF_BOOL, 0, RESOLVERS, "no",
     .doc =
         "The servers validate DNSSEC and nobody can forge their answers on the way, though they "
         "are not all on the loopback interface. Otherwise their word on DNSSEC does not count, "
         "and DANE is off; the option trust-ad of resolv.conf says the same of its servers."},
};

static const struct conf_block_type dns = {
    .name = "dns",
    .flags = CONF_ALWAYS,
    .readers = RESOLVERS,
    CONF_TABLE(dns_settings),
    .doc = "How names are looked up.",
};

static const struct conf_setting webapi_settings[] = {
    {"request-size", CONF_SIZE, 0, CONF_WEBAPI, "10M", .min = "64K", .max = "1G",
     .doc = "Largest request body without uploaded files, in octets."},
    {"upload-size", CONF_SIZE, 0, CONF_WEBAPI, "100M", .min = "64K", .max = "2G",
     .doc = "Largest request body with uploaded files, in octets."},
    {"memory", CONF_SIZE, 0, CONF_WEBAPI, "256M", .min = "1M", .max = "1024G",
     .doc = "Octets of request bodies held at once by one process; a further request is refused "
            "for the time. What a client is sent of a message in a mailbox counts, too: one that "
            "is larger "
            "than this without request-size is not handed out."},
    {"connections", CONF_INT, 0, CONF_WEBAPI, "1000", .min = "1", .max = "100000",
     .doc = "HTTP connections open at once in one process; more wait."},
    {"connections-per-address", CONF_INT, 0, CONF_WEBAPI, "500", .min = "0", .max = "100000",
     .doc = "The same from one IP address; more are closed on arrival. 0 is no limit."},
    {"idle-timeout", CONF_DURATION, 0, CONF_WEBAPI, "65s", .min = "1s", .max = "1h",
     .doc = "How long a connection may stay open between requests."},
    {"header-timeout", CONF_DURATION, 0, CONF_WEBAPI, "30s", .min = "1s", .max = "1h",
     .doc = "How long a client may take to send the header of a request."},
    {"transfer-timeout", CONF_DURATION, 0, CONF_WEBAPI, "10m", .min = "1s", .max = "24h",
     .doc = "How long a client may take to send the body of a request, and to take the response."},
    {"requests-minute", CONF_INT, 0, CONF_WEBAPI, "0", .min = "0", .max = "10000000",
     .doc = "Requests a minute from one IPv4 address or one IPv6 /64 network before it gets 429; "
            "the networks around it (/26 and /21, /48 and /32) get three and nine times as many. "
            "0 is no limit."},
    {"requests-hour", CONF_INT, 0, CONF_WEBAPI, "0", .min = "0", .max = "100000000",
     .doc = "The same in an hour."},
    {"auth-failures-minute", CONF_INT, 0, CONF_WEBAPI, "10", .min = "1", .max = "100000",
     .doc = "Failed authentications a minute from one IPv4 address or one IPv6 /64 network before "
            "it gets 429; the networks around it get three and nine times as many."},
    {"auth-failures-day", CONF_INT, 0, CONF_WEBAPI, "50", .min = "1", .max = "1000000",
     .doc = "The same in 24 hours."},
};

static const struct conf_setting mtasts_settings[] = {
    {"fetch-timeout", CONF_DURATION, 0, CONF_HOOKS, "60s", .min = "1s", .max = "10m",
     .doc = "How long fetching one policy may take in all."},
    {"fetches", CONF_INT, 0, CONF_HOOKS, "50", .min = "1", .max = "1000",
     .doc = "Policies fetched at once; more wait for their turn, up to twice fetch-timeout."},
    {"allow-private", CONF_BOOL, 0, CONF_HOOKS, "no",
     .doc = "Fetch from hosts that resolve to loopback, private or link-local addresses too."},
};

static const struct conf_block_type mtasts = {
    .name = "mta-sts",
    .flags = CONF_ALWAYS,
    .readers = CONF_HOOKS,
    CONF_TABLE(mtasts_settings),
    .doc = "How the MTA-STS policies of other domains are fetched (RFC 8461).",
};

static const struct conf_block_type webapi = {
    .name = "webapi",
    .flags = CONF_ALWAYS,
    .readers = CONF_WEBAPI,
    CONF_TABLE(webapi_settings),
    .doc = "Limits of the HTTP API.",
};

#define CALLERS (CONF_QMGR | CONF_HOOKS)

static const struct conf_setting webhooks_settings[] = {
    {"allow-private", CONF_BOOL, 0, CONF_HOOKS, "no",
     .doc = "Call URLs that resolve to loopback, private or link-local addresses too."},
    {"timeout", CONF_DURATION, 0, CALLERS, "60s", .min = "1s", .max = "10m",
     .doc = "How long one call may take in all."},
    {"concurrency", CONF_INT, 0, CALLERS, "200", .min = "1", .max = "1000",
     .doc =
         "Calls in flight in all. URLs that took long the last time, or did not answer, have half "
         "of them together, so that they keep no place from others; those that nobody has "
         "called yet are not known for that, and hold a place for timeout at most."},
    {"per-url", CONF_INT, 0, CALLERS, "1", .min = "1", .max = "1000",
     .doc = "Calls in flight to one URL of one account. With 1 they arrive one after the other."},
    {"response-size", CONF_INT, 0, CONF_HOOKS, "512", .min = "0", .max = "65536",
     .doc = "Octets of an answer that are kept to be looked at; the rest is dropped."},
    {"success", CONF_WORD, 0, CALLERS, "any-2xx", .words = "any-2xx 200-only",
     .doc = "Which status of an answer counts as success."},
    {"attempts", CONF_INT, 0, CALLERS, "12", .min = "1", .max = "100",
     .doc = "Attempts after which a call has failed."},
};

static const struct conf_block_type webhooks = {
    .name = "webhooks",
    .flags = CONF_ALWAYS,
    .readers = CALLERS,
    CONF_TABLE(webhooks_settings),
    .doc = "How the webhooks of all accounts are called.",
};

static const struct conf_setting root_settings[] = {
    {"hostname", CONF_HOST, CONF_REQUIRED, EVERYONE,
     .doc = "The name this machine has on the Internet: said in greetings, HELO, Received headers "
            "and notices."},
    {"state-dir", CONF_PATH, 0, CONF_QMGR, "/var/lib/quartermaster",
     .doc = "Folder of the queue, the mailboxes and the credentials."},
    {"run-dir", CONF_PATH, 0, CONF_MASTER, "/run/quartermaster", .doc = "Folder of the sockets."},
    {"log-level", CONF_WORD, 0, EVERYONE, "info", .words = "debug info warn error",
     .doc = "Least important lines that are still logged."},
    {"seccomp", CONF_WORD, 0, EVERYONE, "kill", .words = "kill errno off",
     .doc =
         "What becomes of a process that makes a system call it should never need: it is killed, "
         "the call fails, or nothing is watched."},
    {"localserve", CONF_BOOL, 0, EVERYONE, "no",
     .doc = "Deliver every message to a local account, whatever its recipient: for trying out "
            "applications."},
    {"test-clock", CONF_BOOL, 0, EVERYONE, "no",
     .doc = "Let tests step the clock. Never set it on a machine that carries mail."},
    {"postmaster", CONF_MAILBOX, 0, CONF_SMTPD | CONF_QMGR | CONF_DELIVERY,
     .doc = "Where mail to postmaster goes and where notices come from. Without it, postmaster at "
            "the hostname."},
    {"mailname", CONF_HOST, 0, CONF_SMTPD | CONF_QMGR,
     .doc =
         "Domain appended to addresses of local users that have none. Without it, the first line "
         "of /etc/mailname, or else the hostname."},
};

static const struct conf_block_type *const root_blocks[] = {
    &users,
    &workers,
    &listen_block,
    &smtp,
    &queue,
    &dns,
    &conftables_deliver,
    &conftables_domain,
    &conftables_account,
    &conftables_transport,
    &conftables_route,
    &conftables_tls_policy,
    &webapi,
    &webhooks,
    &mtasts,
    NULL,
};

const struct conf_block_type conftables_root = {
    .name = "",
    .readers = EVERYONE,
    CONF_TABLE(root_settings),
    .blocks = root_blocks,
    .doc = "Settings of the whole suite.",
};
