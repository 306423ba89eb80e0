/* SPDX-License-Identifier: Apache-2.0 */

/* Preloaded into an agent by session-key-fresh: writes down each 32-byte
 * secret that it has made (libcrypto's RAND_bytes), in hexadecimal, to
 * $RANDOM_LOG. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

int RAND_bytes(unsigned char *, int);

int
RAND_bytes(unsigned char *bytes, int n)
{
    int (*real)(unsigned char *, int) = (int (*)(unsigned char *, int)) dlsym(
        RTLD_NEXT, "RAND_bytes");
    int result = real(bytes, n);
    const char *name = getenv("RANDOM_LOG");
    FILE *file = n == 32 && name ? fopen(name, "a") : NULL;

    if (file) {
        for (int i = 0; i < n; i++) {
            fprintf(file, "%02x", bytes[i]);
        }
        fputc('\n', file);
        fclose(file);
    }
    return result;
}
