/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The options of connection methods. What is 0 is not given, and the comment says what holds then;
 * texts are copied. Programs include <mitogen/mitogen.h>, whose mitogen_local, mitogen_ssh and so on
 * take the members as keywords; mitogen_connect and the command take them as texts, "port=2222", under
 * the same names but for "_ms": times are given in seconds there.
 */
#pragma once

#include <mitogen/types.h>

typedef enum mitogen_switch {
	MITOGEN_SWITCH_DEFAULT,
	MITOGEN_YES,
	MITOGEN_NO,
} mitogen_switch;

/* What all begin with, in this order. */
#define MITOGEN_OPTIONS_OF_ALL                                                                     \
	size_t size;            /* of the struct; the macros set it */                             \
	const char *name;       /* in paths, logs and errors; made from the method: "local.1" */   \
	int connect_timeout_ms; /* for each hop; 30000 */                                          \
	bool fork_server        /* so that it can fork children, too: mitogen_fork */

/* The program that runs there. A method that runs it through a first stage sends it; where the other
 * machine is of another platform, its image of the same program is looked for as for all. */
#define MITOGEN_OPTION_IMAGE const char *image /* the router's; via a context, that context's own */

typedef struct mitogen_local_options {
	MITOGEN_OPTIONS_OF_ALL;
	MITOGEN_OPTION_IMAGE;
} mitogen_local_options;

typedef struct mitogen_fork_options {
	MITOGEN_OPTIONS_OF_ALL;
} mitogen_fork_options;

typedef enum mitogen_host_keys {
	MITOGEN_HOST_KEYS_ENFORCE, /* the key is known, or the connection fails */
	MITOGEN_HOST_KEYS_ACCEPT,  /* one that was never seen is believed and remembered */
	MITOGEN_HOST_KEYS_IGNORE,  /* any key is believed: somebody between may read all */
} mitogen_host_keys;

/* Through OpenSSH's client, whose configuration files hold as well. */
typedef struct mitogen_ssh_options {
	MITOGEN_OPTIONS_OF_ALL;
	MITOGEN_OPTION_IMAGE;
	const char *hostname;           /* a name, an address, or a Host of ssh_config; needed */
	int port;                       /* ssh's */
	const char *username;           /* ssh's */
	const char *password;           /* for the account or the key; none: ssh must not ask */
	const char *identity_file;      /* a private key; "~/" is $HOME; ssh's */
	mitogen_switch identities_only; /* no keys of an agent; yes with an identity_file */
	mitogen_host_keys check_host_keys;
	const char *proxy_jump;           /* "[user@]host[:port],...", to be gone through; ssh's */
	mitogen_switch keepalive_enabled; /* notice a link that is dead; yes */
	int keepalive_interval;           /* seconds of silence before the host is asked; 15 */
	int keepalive_count;              /* questions without an answer; 3 */
	bool compression;
	int ssh_debug_level;         /* 0 ... 3: what ssh -v, -vv, -vvv says goes to the log */
	const char *remote_name;     /* of the process there, in its process list; who started it */
	const char *ssh_path;        /* the client; "ssh" */
	const char *const *ssh_args; /* more arguments for it; NULL-terminated */
} mitogen_ssh_options;

typedef struct mitogen_sudo_options {
	MITOGEN_OPTIONS_OF_ALL;
	MITOGEN_OPTION_IMAGE;
	const char *username;         /* who to become; "root" */
	const char *password;         /* what sudo asks for; none: it must not ask */
	bool preserve_env;            /* keep the environment: -E */
	bool set_home;                /* $HOME is the other account's: -H */
	bool login;                   /* as its login shell: -i */
	const char *selinux_role;     /* -r */
	const char *selinux_type;     /* -t */
	const char *sudo_path;        /* "sudo" */
	const char *const *sudo_args; /* more arguments for it; NULL-terminated */
} mitogen_sudo_options;

typedef struct mitogen_su_options {
	MITOGEN_OPTIONS_OF_ALL;
	MITOGEN_OPTION_IMAGE;
	const char *username; /* who to become; "root" */
	const char *password; /* that account's; none: su must not ask */
	const char *su_path;  /* "su" */
} mitogen_su_options;

typedef struct mitogen_doas_options {
	MITOGEN_OPTIONS_OF_ALL;
	MITOGEN_OPTION_IMAGE;
	const char *username;  /* who to become; "root" */
	const char *password;  /* of who asks; none: doas must not ask */
	const char *doas_path; /* "doas" */
} mitogen_doas_options;

typedef struct mitogen_option_info { /* about an option, as mitogen_option_at has it */
	size_t size;                 /* sizeof(mitogen_option_info), set by who asks */
	const char *name;            /* "port" */
	const char *value;           /* how to call what is given for it: "NUMBER" */
	const char *help;            /* a line: what it is for */
	bool is_flag;                /* its name alone means yes */
	bool is_list;                /* each text adds an item */
	bool is_secret;
	bool is_needed;
} mitogen_option_info;
