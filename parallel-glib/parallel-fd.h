/* parallel-fd.h
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <glib.h>
#include <sys/uio.h>

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

/* Sends @vectors in one message through a Unix socket, with @fds, at most PARALLEL_FD_MAX_SENT of them. Never blocks.
 * Returns the number of bytes, or -1 with errno. */
#define PARALLEL_FD_MAX_SENT 3
gssize   parallel_fd_send      (int                 fd,
                                const struct iovec *vectors,
                                guint               n_vectors,
                                const int          *fds,
                                guint               n_fds);

G_END_DECLS
