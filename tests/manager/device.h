/*
 * tests/manager/device.h - the fleet's side of a manager under test (authority, links, tunnels, a TLS port), and devices that are
 * nothing but a client: they join, hold a link, report, and open streams.
 */
#ifndef LP_TESTS_MANAGER_DEVICE_H
#define LP_TESTS_MANAGER_DEVICE_H

#include "tests/manager/api.h"
#include "wire/client.h"
#include "wire/server.h"
#include "wire/tls.h"

struct fleet {
	struct api api;
	struct lp_server *server;	/* TLS */
	uint16_t port;
};

/* A core as in api.h, with the fleet's parts. Starting twice in a row is a restart. */
void fleet_start(struct fleet *fleet);
void fleet_stop(struct fleet *fleet);
/* Ports and links only, while the loop goes on for those who were connected. */
void fleet_down(struct fleet *fleet);
/* A join token, by the API. */
const char *fleet_token(struct fleet *fleet, const char *body);

struct reply {
	int status;			/* 0: none came */
	struct lp_err err;
	bool over;
	struct lp_buf text;
	struct lp_json *json;		/* in the api's arena; NULL when it is none */
};

struct device {
	struct fleet *fleet;
	const char *name;
	struct lp_cert_key *key;
	char *certificate, *key_text, *ca, *fleet_key;	/* NULL before it joined */
	struct lp_tls_config *tls;
	struct lp_client *client;	/* NULL when not connected */
	struct reply link;		/* text: all lines so far */
	struct lp_client_call *link_call;
};

void device_init(struct device *device, struct fleet *fleet, const char *name);
void device_free(struct device *device);
/* Returns the answer's status; on 200 the device has its certificate. token NULL: a fresh one. */
int device_join(struct device *device, const char *token);
void device_connect(struct device *device);
void device_drop(struct device *device);
/* One request on its connection, and its answer. */
void device_ask(struct device *device, struct reply *reply, const char *method, const char *path, const char *body);
int device_report(struct device *device, const char *body);
void reply_free(struct reply *reply);
/* Open the link; `have` may be NULL. */
void device_link(struct device *device, const char *have);
/* The n-th line (from 0) of this type on the link, waited for; NULL when it does not come in `ms`. */
struct lp_json *device_line(struct device *device, const char *type, size_t nth, int ms);

/* Turns until the condition holds; fails the test after 10 s. */
#define FLEET_UNTIL(fleet, condition)                                             \
	do {                                                                      \
		int64_t deadline_ = 0;                                            \
		while (!(condition)) {                                            \
			CHECK_OK(lp_loop_turn((fleet)->api.loop, 5, NULL), NULL); \
			if (!lp_test_wait(&deadline_, 10000))                     \
				FAIL("waited in vain for " #condition);           \
		}                                                                 \
	} while (0)

#endif
