/* parallel-fd.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "parallel-fd.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "parallel-exec-protocol.h"

void
parallel_fd_clear (int *fd)
{
  int old = *fd;

  *fd = -1;
  if (old >= 0)
    close (old);
}

int
parallel_fd_duplicate (int fd)
{
  return fcntl (fd, F_DUPFD_CLOEXEC, PARALLEL_EXEC_REPORT_FD + 1);
}

gboolean
parallel_fd_lift (int *fd)
{
  int old = *fd;

  if (old > PARALLEL_EXEC_REPORT_FD)
    return TRUE;

  *fd = parallel_fd_duplicate (old);
  if (*fd < 0)
    {
      *fd = old;
      return FALSE;
    }

  close (old);
  return TRUE;
}

gboolean
parallel_fd_open_pipe (int *read_fd,
                       int *write_fd,
                       int  flags)
{
  int fds[2];
  int code;

  if (pipe2 (fds, O_CLOEXEC | flags) != 0)
    return FALSE;

  if (parallel_fd_lift (&fds[0]) && parallel_fd_lift (&fds[1])
      && fcntl (fds[0], F_SETFL, O_NONBLOCK) == 0)
    {
      *read_fd = fds[0];
      *write_fd = fds[1];
      return TRUE;
    }

  code = errno;
  close (fds[0]);
  close (fds[1]);
  errno = code;

  return FALSE;
}
