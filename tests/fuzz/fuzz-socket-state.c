/* SPDX-License-Identifier: Apache-2.0 */
#include "socket-state.h"

#include "fuzz.h"

/* What is accepted can be written and read again, to the same bytes. */
static void
fuzz_again(const struct socket_state *state)
{
    struct socket_state_info info;
    struct socket_state *copy;
    uint8_t *bytes, *bytes2;
    size_t n, n2;

    socket_state_get_info(state, &info);
    fuzz_check(info.kind <= SOCKET_STATE_UDP);
    fuzz_check(info.local.ss_family == (sa_family_t) info.family);
    fuzz_check(info.unsent <= info.send_queue);
    fuzz_check(!socket_state_encode(state, &bytes, &n, NULL));
    fuzz_check(n <= SOCKET_STATE_ENCODED_MAX);
    fuzz_check(!socket_state_decode(bytes, n, &copy, NULL));
    fuzz_check(!socket_state_encode(copy, &bytes2, &n2, NULL));
    fuzz_check(n == n2 && !memcmp(bytes, bytes2, n));
    socket_state_destroy(copy);
    free(bytes);
    free(bytes2);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct fuzz_input in = { data, n };
    struct socket_state *state;
    char *error = NULL;
    size_t taken;
    uint8_t *copy = fuzz_bytes(&in, n, &taken);

    int retval = socket_state_decode(copy, taken, &state, &error);
    fuzz_check(!retval == !error);
    fuzz_check(!retval == (state != NULL));
    if (state) {
        fuzz_again(state);
    }
    socket_state_destroy(state);
    free(error);
    free(copy);
    return 0;
}
