/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

/* The database's part of the floor: how long does it take a bare ovsdb-server
 * to make one small change durable, and to say so?
 *
 * usage: floor-write REMOTE COUNT
 *
 * REMOTE serves the database that FLOOR_SCHEMA in floor.py describes.  Prints
 * microseconds, one line a transaction. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fatal-signal.h"
#include "jsonrpc.h"
#include "openvswitch/json.h"
#include "openvswitch/vlog.h"
#include "stream.h"
#include "util.h"

#define REST_NS 8000000 /* Between transactions. */

static double
now_us(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * 1e6 + ts.tv_nsec / 1e3;
}

/* Does 'operations', an array in JSON, and returns the microseconds. */
static double
transact(struct jsonrpc *rpc, const char *operations)
{
    struct json *params = json_from_string(operations);
    struct jsonrpc_msg *reply;
    double began = now_us(), took;
    char *text;
    int error;

    error = jsonrpc_transact_block(
        rpc, jsonrpc_create_request("transact", params, NULL), &reply);
    took = now_us() - began;
    if (error) {
        ovs_fatal(error, "no reply");
    }
    text = jsonrpc_msg_to_string(reply);
    if (reply->type != JSONRPC_REPLY || strstr(text, "constraint")) {
        ovs_fatal(0, "the database refuses: %s", text);
    }
    free(text);
    jsonrpc_msg_destroy(reply);
    return took;
}

int
main(int argc, char *argv[])
{
    const struct timespec rest = { .tv_nsec = REST_NS };
    struct jsonrpc *rpc;
    struct stream *stream;
    int error;

    set_program_name(argv[0]);
    vlog_set_levels(NULL, VLF_ANY_DESTINATION, VLL_WARN);
    fatal_ignore_sigpipe();
    if (argc != 3) {
        ovs_fatal(0, "usage: %s REMOTE COUNT", program_name);
    }
    error = stream_open_block(jsonrpc_stream_open(argv[1], &stream, 0), -1,
                              &stream);
    if (error) {
        ovs_fatal(error, "%s", argv[1]);
    }
    rpc = jsonrpc_open(stream);
    transact(rpc, "[\"Floor\", {\"op\": \"insert\", \"table\": \"Row\", "
                  "\"row\": {\"value\": 0}}]");
    for (int i = 1; i <= atoi(argv[2]); i++) {
        char *operations = xasprintf(
            "[\"Floor\", {\"op\": \"update\", \"table\": \"Row\", "
            "\"where\": [[\"value\", \"==\", %d]], \"row\": {\"value\": %d}}, "
            "{\"op\": \"commit\", \"durable\": true}]",
            i - 1, i);

        nanosleep(&rest, NULL);
        printf("%.1f\n", transact(rpc, operations));
        free(operations);
    }
    jsonrpc_close(rpc);
    return 0;
}
