/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "host-settings.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "openvswitch/shash.h"
#include "openvswitch/vlog.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(host_settings);

#define CONF_DIR "/proc/sys/net/ipv4/conf"

/* What was changed: file name, and the former value (intptr_t). */
static struct shash changed = SHASH_INITIALIZER(&changed);

static char *
setting_file(const char *ifname, const char *setting)
{
    return xasprintf(CONF_DIR "/%s/%s", ifname, setting);
}

/* A file that is not there counts as 0: the interface has gone. */
static int
setting_read(const char *ifname, const char *setting)
{
    char *file = setting_file(ifname, setting);
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    char text[32] = "";
    int value = 0;

    if (fd >= 0) {
        if (read(fd, text, sizeof text - 1) > 0) {
            value = atoi(text);
        }
        close(fd);
    }
    free(file);
    return value;
}

static int
file_write(const char *file, int value)
{
    int fd = open(file, O_WRONLY | O_CLOEXEC);
    char text[32];
    int error = 0;
    int n;

    if (fd < 0) {
        return errno;
    }
    n = snprintf(text, sizeof text, "%d\n", value);
    if (write(fd, text, n) != n) {
        error = errno ? errno : EIO;
    }
    close(fd);
    return error;
}

static int
setting_write(const char *ifname, const char *setting, int value,
              char **errorp)
{
    int old = setting_read(ifname, setting);
    char *file = setting_file(ifname, setting);
    int error = old == value ? 0 : file_write(file, value);

    if (error) {
        if (errorp) {
            *errorp = xasprintf("%s: cannot be set to %d (%s)", file, value,
                                ovs_strerror(error));
        }
    } else if (old != value) {
        VLOG_INFO("%s: set to %d for session addresses (was %d)", file, value,
                  old);
        if (!shash_find(&changed, file)) {
            shash_add(&changed, file, (void *) (intptr_t) old);
        }
    }
    free(file);
    return error;
}

/* True if, with this value, ARP stays silent about addresses on "lo". */
static bool
arp_ignore_is_good(int value)
{
    return (value >= 1 && value <= 3) || value == 8;
}

static int
use_arp_ignore(const char *ifname, char **errorp)
{
    int all = setting_read("all", "arp_ignore");
    int own = setting_read(ifname, "arp_ignore");

    if (arp_ignore_is_good(MAX(all, own))) {
        return 0;
    }
    if (all > 3) {
        if (errorp) {
            *errorp = xasprintf(CONF_DIR "/all/arp_ignore: %d has no meaning "
                                         "to the kernel; set 0, 1, 2, 3 or 8",
                                all);
        }
        return EINVAL;
    }
    return setting_write(ifname, "arp_ignore", 3, errorp);
}

/* Makes every interface's own rp_filter at least 'value'. */
static int
raise_rp_filters(int value, char **errorp)
{
    DIR *dir = opendir(CONF_DIR);
    struct dirent *entry;
    int error = 0;

    if (!dir) {
        return 0;
    }
    while (!error && (entry = readdir(dir)) != NULL) {
        if (entry->d_name[0] != '.' && strcmp(entry->d_name, "all")
            && setting_read(entry->d_name, "rp_filter") < value) {
            error = setting_write(entry->d_name, "rp_filter", value, errorp);
        }
    }
    closedir(dir);
    return error;
}

static int
use_rp_filter(const char *ifname, char **errorp)
{
    int all = setting_read("all", "rp_filter");
    int error = 0;

    if (all) {
        error = raise_rp_filters(all, errorp);
        if (!error) {
            error = setting_write("all", "rp_filter", 0, errorp);
        }
    }
    return error ? error : setting_write(ifname, "rp_filter", 0, errorp);
}

int
host_settings_use_interface(const char *ifname, char **errorp)
{
    int error = use_arp_ignore(ifname, errorp);

    return error ? error : use_rp_filter(ifname, errorp);
}

void
host_settings_restore(void)
{
    struct shash_node *node;

    SHASH_FOR_EACH_SAFE(node, &changed) {
        /* An interface that has gone took its settings along. */
        file_write(node->name, (intptr_t) node->data);
        shash_delete(&changed, node);
    }
}
