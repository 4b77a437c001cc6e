#ifndef QM_PROTO_TYPES_H
#define QM_PROTO_TYPES_H

/* The types of all messages between processes. Names, fields and who may send them:
 * quartermaster-ipc(7). */

enum proto_type {
    /* control: master asks, every other process answers */
    MSG_CONTROL_HAND = 0x0101,
    MSG_CONTROL_LINK = 0x0102,
    MSG_CONTROL_CONFIG = 0x0103,
    MSG_CONTROL_READY = 0x0104,
    MSG_CONTROL_REFUSED = 0x0105,
    MSG_CONTROL_COMMIT = 0x0106,
    MSG_CONTROL_ABORT = 0x0107,
    MSG_CONTROL_STOP = 0x0108,
    MSG_CONTROL_CLOCK = 0x0109,
    MSG_CONTROL_COUNTERS = 0x010a,
    MSG_CONTROL_COUNTERS_ARE = 0x010b,
    MSG_CONTROL_METRICS = 0x010c,
    MSG_CONTROL_LINK_LOST = 0x010d, /* to master, which asks nothing back */

    /* submit: smtpd and webapi ask, qmgr answers */
    MSG_SUBMIT_MESSAGE = 0x0201,
    MSG_SUBMIT_ACCEPTED = 0x0202,
    MSG_SUBMIT_REFUSED = 0x0203,

    /* deliver: qmgr asks, a delivery agent answers */
    MSG_DELIVER_JOB = 0x0301,
    MSG_DELIVER_RESULT = 0x0302,
    MSG_DELIVER_LEARNED = 0x0303, /* to qmgr, which answers nothing */

    /* hook: qmgr asks, hooks answers */
    MSG_HOOK_CALL = 0x0401,
    MSG_HOOK_RESULT = 0x0402,

    /* secret: smtpd, webapi, delivery and hooks ask, vault answers */
    MSG_SECRET_AUTH_START = 0x0501,
    MSG_SECRET_AUTH_STEP = 0x0502,
    MSG_SECRET_AUTH_CANCEL = 0x0503,
    MSG_SECRET_AUTH_CONTINUE = 0x0504,
    MSG_SECRET_AUTH_OK = 0x0505,
    MSG_SECRET_AUTH_FAILED = 0x0506,
    MSG_SECRET_PASSWORD = 0x0507,
    MSG_SECRET_DKIM_SIGN = 0x0508,
    MSG_SECRET_TLS_SIGN = 0x0509,
    MSG_SECRET_SIGNATURE = 0x050a,
    MSG_SECRET_REFUSED = 0x050b,
    MSG_SECRET_DKIM_LIST = 0x050c,
    MSG_SECRET_DKIM_KEYS = 0x050d,
    MSG_SECRET_HOOK_SIGN = 0x050e,
    MSG_SECRET_LOGIN_START = 0x050f,
    MSG_SECRET_LOGIN_STEP = 0x0510,
    MSG_SECRET_LOGIN_IS = 0x0511,
    MSG_SECRET_PROXY_LOGIN = 0x0512,

    /* admin: qmctl and mailq ask, qmgr answers */
    MSG_ADMIN_QUEUE_LIST = 0x0601,
    MSG_ADMIN_QUEUE_PAGE = 0x0602,
    MSG_ADMIN_QUEUE_SHOW = 0x0603,
    MSG_ADMIN_QUEUE_ITEM = 0x0604,
    MSG_ADMIN_QUEUE_ACT = 0x0605,
    MSG_ADMIN_ACTED = 0x0606,
    MSG_ADMIN_RETIRED_LIST = 0x0607,
    MSG_ADMIN_RETIRED_SHOW = 0x0608,
    MSG_ADMIN_HOOK_LIST = 0x0609,
    MSG_ADMIN_HOOK_PAGE = 0x060a,
    MSG_ADMIN_COUNTS = 0x060b,
    MSG_ADMIN_COUNTS_ARE = 0x060c,
    MSG_ADMIN_REFUSED = 0x060d,
    MSG_ADMIN_HOOKRETIRED_LIST = 0x060e,
    MSG_ADMIN_HOLD_LIST = 0x060f,
    MSG_ADMIN_HOLD_RULES = 0x0610,
    MSG_ADMIN_HOLD_ADD = 0x0611,
    MSG_ADMIN_HOLD_ADDED = 0x0612,
    MSG_ADMIN_HOLD_REMOVE = 0x0613,
    MSG_ADMIN_HOLD_REMOVED = 0x0614,
    MSG_ADMIN_HOOK_SHOW = 0x0615,
    MSG_ADMIN_HOOKRETIRED_SHOW = 0x0616,
    MSG_ADMIN_HOOK_ITEM = 0x0617,
    MSG_ADMIN_HOOK_ACT = 0x0618,
    MSG_ADMIN_HOOK_TEST = 0x0619,
    MSG_ADMIN_PURGE = 0x061a,
    MSG_ADMIN_PURGED = 0x061b,

    /* master: qmctl asks, master answers */
    MSG_MASTER_STATUS = 0x0701,
    MSG_MASTER_STATUS_IS = 0x0702,
    MSG_MASTER_RELOAD = 0x0703,
    MSG_MASTER_STOP = 0x0704,
    MSG_MASTER_CONFIG = 0x0705,
    MSG_MASTER_CONFIG_IS = 0x0706,
    MSG_MASTER_CREDENTIALS = 0x0707,
    MSG_MASTER_CLOCK = 0x0708,
    MSG_MASTER_DONE = 0x0709,
    MSG_MASTER_REFUSED = 0x070a,

    /* suppress: webapi asks, qmgr answers */
    MSG_SUPPRESS_LIST = 0x0801,
    MSG_SUPPRESS_ADD = 0x0802,
    MSG_SUPPRESS_REMOVE = 0x0803,
    MSG_SUPPRESS_FIND = 0x0804,
    MSG_SUPPRESS_ANSWER = 0x0805,

    /* fetch: delivery and qmgr ask, hooks answers */
    MSG_FETCH_POLICY = 0x0c01,
    MSG_FETCH_POLICY_IS = 0x0c02,

    /* events: webapi asks, qmgr answers */
    MSG_EVENTS_READ = 0x0a01,
    MSG_EVENTS_PAGE = 0x0a02,
    MSG_EVENTS_REFUSED = 0x0a03,

    /* mail: webapi asks, qmgr answers */
    MSG_MAIL_GET = 0x0901,
    MSG_MAIL_NOTE = 0x0902,
    MSG_MAIL_KEYWORDS = 0x0903,
    MSG_MAIL_MOVED = 0x0904,
    MSG_MAIL_DELETED = 0x0905,
    MSG_MAIL_ANSWER = 0x0906,

    /* mailbox: webapi asks, the delivery agent of the transport local answers */
    MSG_MAILBOX_FIND = 0x0b01,
    MSG_MAILBOX_FLAGS = 0x0b02,
    MSG_MAILBOX_MOVE = 0x0b03,
    MSG_MAILBOX_DELETE = 0x0b04,
    MSG_MAILBOX_STORE = 0x0b05,
    MSG_MAILBOX_LIST = 0x0b06,
    MSG_MAILBOX_FOLDERS = 0x0b07,
    MSG_MAILBOX_ANSWER = 0x0b08,
    MSG_MAILBOX_CHECK = 0x0b09,
};

/* Lengths that no text of a message exceeds, in octets. */
/* A mailbox as text: RFC 5321 allows 64 + 1 + 255, quoting and UTF-8 more. */
#define PROTO_ADDRESS_MAX 1024
#define PROTO_NAME_MAX 255  /* host, account, transport, login names */
#define PROTO_TEXT_MAX 8192 /* a reply, a header value, a sentence */
#define PROTO_RECIPIENTS_MAX 1000000

#endif
