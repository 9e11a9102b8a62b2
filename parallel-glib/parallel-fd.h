/* parallel-fd.h
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Descriptors for children. All functions leave errno. */

void     parallel_fd_clear     (int *fd);

/* Not one of the standard descriptors, nor the one after them, which the helper uses. */
int      parallel_fd_duplicate (int  fd);

/* GLib moves the child's descriptors to 0, 1 and 2 one after the other, and the helper the report
 * pipe to 3; neither must step on one that is still to be moved. That would happen when this
 * program has closed some of its own standard descriptors. Leaves @fd as it is if it fails. */
gboolean parallel_fd_lift      (int *fd);

/* The read end never blocks; the write end does so unless O_NONBLOCK is in @flags. */
gboolean parallel_fd_open_pipe (int *read_fd,
                                int *write_fd,
                                int  flags);

G_END_DECLS
